# SPDX-License-Identifier: GPL-2.0-or-later
# Draws what each process held over time, stacked, as SVG: a panel for each file (samples.MODE) of lines SECONDS,AGENT,CALL,BYTES.
#   awk -v budget=BYTES -v title=WORDS -f isolation.awk FILE...

BEGIN { FS = ","; width = 900; height = 170; left = 90; gap = 46 }

FNR == 1 { panel++; mode = FILENAME; sub(/.*samples\./, "", mode); modes[panel] = mode; n_times = n_series[panel] = 0 }

{
	if (!times[panel] || $1 != time[panel, times[panel]])
		time[panel, ++times[panel]] = $1
	key = $2 "," $3
	if (!((panel, key) in index_of)) {
		index_of[panel, key] = ++n_series[panel]
		series[panel, n_series[panel]] = key
	}
	held[panel, times[panel], key] = $4
	if ($1 > longest)
		longest = $1
	sum[panel, times[panel]] += $4
	if (sum[panel, times[panel]] > highest)
		highest = sum[panel, times[panel]]
}

function across(seconds) { return sprintf("%.1f", left + seconds / longest * width) }
function up(panel, bytes) { return sprintf("%.1f", gap + (panel - 1) * (height + gap) + height - bytes / highest * height) }

# Agents in the order in which they came: blue, orange, green; the base pale, calls stronger.
function colour(agent, call,    shades) {
	if (!(agent in rank))
		rank[agent] = n_ranks++
	split(call == "" ? "#cfe0f5 #fbe3c8 #d5efd2" : call % 2 ? "#2b6cb0 #dd7a1b #3f9142" : "#4a90d9 #f0994a #62b565", shades, " ")
	return shades[rank[agent] % 3 + 1]
}

# One series on top of those below it, whose sums are in floor.
function area(panel, key,    i, there, back, value, parts) {
	there = back = ""
	for (i = 1; i <= times[panel]; i++) {
		value = held[panel, i, key] + 0
		there = there " " across(time[panel, i]) "," up(panel, floor[i] + value)
		back = " " across(time[panel, i]) "," up(panel, floor[i] + 0) back
		floor[i] += value
	}
	split(key, parts, ",")
	printf "<polygon fill=\"%s\" points=\"%s%s\"><title>%s</title></polygon>\n", colour(parts[1], parts[2]), substr(there, 2), back,
		parts[1] (parts[2] == "" ? "" : ", call " parts[2])
}

function words(at, line, text) { printf "<text x=\"%s\" y=\"%s\">%s</text>\n", at, line, text }

function draw(panel,    i) {
	split("", floor)
	split("", rank)
	n_ranks = 0
	words(left, up(panel, highest) - 6, modes[panel])
	for (i = 1; i <= n_series[panel]; i++)
		area(panel, series[panel, i])
	printf "<path d=\"M%s %s H%s\" stroke=\"#c00\" stroke-dasharray=\"6 4\"/>\n", left, up(panel, budget), left + width
	words(4, up(panel, budget) + 4, int(budget / 1048576) " MiB")
	words(4, up(panel, 0), "0")
	words(left + width - 40, up(panel, 0) + 14, sprintf("%.1f s", longest))
}

END {
	if (budget > highest)
		highest = budget
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n", left + width + 20,
		panel * (height + gap) + gap
	words(left, 16, "Memory that each agent (pale) and each call holds; budget " title)
	for (p = 1; p <= panel; p++)
		draw(p)
	print "</svg>"
}
