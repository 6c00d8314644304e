/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agentcg top: agents and calls, live, on the terminal (ncurses), or as text for scripts (--batch). */
#include <curses.h>
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "policy/hint.h"
#include "tools/top.h"
#include "tools/tree_text.h"
#include "tools/verbs.h"

struct screen {
	struct acg_top top;
	char *selected; /* key of the row that the cursor is on */
	char *message;  /* what the last key did */
	bool detail;
	double delay; /* seconds */
};

enum colour { PLAIN, GREEN, YELLOW, BLUE, RED, N_COLOURS };

/* --- drawing ------------------------------------------------------------------------------------------------ */

static attr_t attributes_of(const struct acg_top_row *row)
{
	if (!row->is_call)
		return A_BOLD;
	if (strcmp(row->state, "throttled") == 0)
		return COLOR_PAIR(YELLOW) | A_BOLD;
	if (strcmp(row->state, "frozen") == 0)
		return COLOR_PAIR(BLUE) | A_BOLD;
	if (strcmp(row->state, "detached") == 0)
		return A_DIM;
	return row->limit != UINT64_MAX && row->memory > row->limit ? COLOR_PAIR(RED)
								    : COLOR_PAIR(GREEN);
}

static int selected_index(const struct screen *screen)
{
	for (unsigned int i = 0; screen->selected && i < screen->top.rows->len; i++)
		if (strcmp(((struct acg_top_row *)screen->top.rows->pdata[i])->key,
			   screen->selected) == 0)
			return i;
	return 0;
}

static const struct acg_top_row *selected_row(const struct screen *screen)
{
	return screen->top.rows->len ? screen->top.rows->pdata[selected_index(screen)] : NULL;
}

static void put(int y, attr_t attributes, const char *text)
{
	attrset(attributes);
	mvaddstr(y, 0, text);
	clrtoeol();
	attrset(A_NORMAL);
}

/* Words of any length over as many lines as they need, `lines` at most. */
static void put_wrapped(int y, int lines, const char *text)
{
	for (; lines > 0 && *text; lines--, y++) {
		glong length = g_utf8_strlen(text, -1);
		glong n = MIN(length, COLS);
		g_autofree char *part = NULL;

		if (n < length) {
			g_autofree char *whole = g_utf8_substring(text, 0, n);
			const char *blank = strrchr(whole, ' ');

			n = blank ? g_utf8_strlen(whole, blank - whole) + 1 : n;
		}
		part = g_utf8_substring(text, 0, n);
		put(y, A_NORMAL, part);
		text = g_utf8_offset_to_pointer(text, n);
	}
}

/* One for the head, one for memory, two for the command; feedback has less than 400 bytes. */
#define DETAIL_LINES 9

static void draw_detail(const struct screen *screen)
{
	const struct acg_top_row *row = selected_row(screen);
	bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	g_autofree char *line = NULL, *memory = NULL, *head = NULL;
	char peak[16];
	int y = LINES - DETAIL_LINES - 1;

	if (!row)
		return;
	head = g_strdup_printf("-- %s  %.0f s  peak %s%s%s", row->key, row->seconds,
			       acg_size_format(row->peak, peak),
			       *row->reason ? "  because of " : "", row->reason);
	line = acg_top_sparkline(row, utf8);
	memory = g_strdup_printf("memory, last minute: %s", line);
	put(y, A_BOLD, head);
	put(y + 1, A_NORMAL, memory);
	put_wrapped(y + 2, 2, row->command);
	put_wrapped(y + 4, 5, *row->feedback ? row->feedback : "(no feedback)");
}

static const char help_text[] =
	"up/down select  enter details  s sort  / filter  f freeze/thaw  K kill  q quit";

static void draw(const struct screen *screen)
{
	int bottom = LINES - 1 - (screen->detail ? DETAIL_LINES + 1 : 0);
	int visible = bottom - 2, at = selected_index(screen);
	int first = at >= visible ? at - visible + 1 : 0;
	g_autofree char *title = acg_top_title(&screen->top, COLS);
	g_autofree char *header = acg_top_header(COLS);

	erase();
	put(0, A_NORMAL, title);
	attron(A_REVERSE);
	mvhline(1, 0, ' ', COLS);
	mvaddstr(1, 0, header);
	attroff(A_REVERSE);
	for (int i = first; i < (int)screen->top.rows->len && i - first < visible; i++) {
		const struct acg_top_row *row = screen->top.rows->pdata[i];
		g_autofree char *line = acg_top_line(row, COLS);

		put(2 + i - first, attributes_of(row) | (i == at ? A_REVERSE : 0), line);
	}
	if (screen->detail)
		draw_detail(screen);
	put(LINES - 1, A_DIM, screen->message ? screen->message : help_text);
	refresh();
}

/* --- keys --------------------------------------------------------------------------------------------------- */

static void select_row(struct screen *screen, int index)
{
	int last = (int)screen->top.rows->len - 1;
	const struct acg_top_row *row;

	if (last < 0)
		return;
	row = screen->top.rows->pdata[CLAMP(index, 0, last)];
	g_free(screen->selected);
	screen->selected = g_strdup(row->key);
}

static void write_file(struct screen *screen, const char *file, const char *text, const char *done)
{
	const struct acg_top_row *row = selected_row(screen);
	g_autofree char *path = NULL;
	g_autoptr(GError) error = NULL;

	if (!row || !row->is_call) {
		screen->message = g_strdup("that is for calls: select one");
		return;
	}
	path = g_build_filename(row->agent_dir, "calls", row->name, file, NULL);
	screen->message = acg_tree_write(path, text, &error) < 0
				  ? g_strdup(error->message)
				  : g_strdup_printf("%s %s", done, row->key);
}

static void freeze_or_thaw(struct screen *screen)
{
	const struct acg_top_row *row = selected_row(screen);
	bool frozen = row && strcmp(row->state, "frozen") == 0;

	write_file(screen, "cgroup.freeze", frozen ? "0\n" : "1\n", frozen ? "thawed" : "froze");
}

static void ask_kill(struct screen *screen)
{
	const struct acg_top_row *row = selected_row(screen);
	g_autofree char *question = NULL;

	if (row && row->is_call) {
		question = g_strdup_printf("kill %s? y/n", row->key);
		put(LINES - 1, A_BOLD, question);
		timeout(-1);
		if (getch() != 'y')
			return;
	}
	write_file(screen, "cgroup.kill", "1\n", "killed");
}

static void ask_filter(struct screen *screen)
{
	char text[64];

	put(LINES - 1, A_BOLD, "only rows with: ");
	echo();
	timeout(-1);
	if (mvgetnstr(LINES - 1, strlen("only rows with: "), text, sizeof(text) - 1) == OK) {
		g_free(screen->top.filter);
		screen->top.filter = g_strdup(text);
	}
	noecho();
}

/* False: it is over. */
static bool take_key(struct screen *screen, int key)
{
	int at = selected_index(screen);

	g_clear_pointer(&screen->message, g_free);
	switch (key) {
	case 'q':
		return false;
	case KEY_UP:
	case 'k':
		select_row(screen, at - 1);
		break;
	case KEY_DOWN:
	case 'j':
		select_row(screen, at + 1);
		break;
	case '\n':
	case KEY_ENTER:
		screen->detail = !screen->detail;
		break;
	case 's':
		screen->top.sort = (screen->top.sort + 1) % ACG_TOP_N_SORTS;
		break;
	case '/':
		ask_filter(screen);
		break;
	case 'f':
		freeze_or_thaw(screen);
		break;
	case 'K':
		ask_kill(screen);
		break;
	}
	return true;
}

static void start_screen(void)
{
	initscr();
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	if (!has_colors())
		return;
	start_color();
	use_default_colors();
	init_pair(GREEN, COLOR_GREEN, -1);
	init_pair(YELLOW, COLOR_YELLOW, -1);
	init_pair(BLUE, COLOR_BLUE, -1);
	init_pair(RED, COLOR_RED, -1);
}

static void run_screen(struct screen *screen)
{
	int key = ERR;

	start_screen();
	do {
		int64_t left = screen->top.sampled + screen->delay * G_USEC_PER_SEC -
			       g_get_monotonic_time();

		if (left <= 0 || key == 's' || key == '/' || key == 'f' || key == 'K') {
			acg_top_sample(&screen->top);
			left = screen->delay * G_USEC_PER_SEC;
		}
		if (!screen->selected)
			select_row(screen, 0);
		draw(screen);
		timeout(left / 1000);
		key = getch();
	} while (take_key(screen, key));
	endwin();
}

/* --- for scripts -------------------------------------------------------------------------------------------- */

static int columns_of_output(void)
{
	const char *said = g_getenv("COLUMNS");
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		return size.ws_col;
	return said && atoi(said) > 0 ? atoi(said) : 500;
}

static void run_batch(struct acg_top *top, int times, double delay)
{
	int columns = columns_of_output();

	acg_top_sample(top); /* a rate needs two looks */
	for (int i = 0; times <= 0 || i < times; i++) {
		g_autofree char *title = NULL, *header = acg_top_header(columns);

		g_usleep(delay * G_USEC_PER_SEC);
		acg_top_sample(top);
		title = acg_top_title(top, columns);
		printf("%s%s\n%s\n", i ? "\n" : "", title, header);
		for (unsigned int row = 0; row < top->rows->len; row++) {
			g_autofree char *line = acg_top_line(top->rows->pdata[row], columns);

			printf("%s\n", line);
		}
		fflush(stdout);
	}
}

int acg_verb_top(int argc, char **argv)
{
	gboolean batch = FALSE;
	double delay = 1;
	int times = 1;
	const GOptionEntry entries[] = {
		{"batch", 'b', 0, G_OPTION_ARG_NONE, &batch, "print text, for scripts", NULL},
		{"delay", 'd', 0, G_OPTION_ARG_DOUBLE, &delay, "between two looks (1)", "SECONDS"},
		{"times", 'n', 0, G_OPTION_ARG_INT, &times,
		 "with --batch: so many looks; 0: for ever (1)", "N"},
		{NULL, 0, 0, 0, NULL, NULL, NULL},
	};
	g_autoptr(GOptionContext) context = g_option_context_new("[AGENT]");
	const char *root = acg_tree_find();
	g_autoptr(GError) error = NULL;
	struct screen screen = {0};

	g_option_context_set_summary(context, help_text);
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error))
		return acg_bad_usage("top", error);
	if (!acg_tree_is_there(root))
		return acg_no_tree("top");
	acg_top_init(&screen.top, root);
	screen.top.agent = argc > 1 ? g_strdup(argv[1]) : NULL;
	screen.delay = CLAMP(delay, 0.1, 3600);
	if (batch)
		run_batch(&screen.top, times, screen.delay);
	else
		run_screen(&screen);
	acg_top_clear(&screen.top);
	g_free(screen.selected);
	g_free(screen.message);
	return 0;
}
