#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=30
# What is shipped for others is at least well-formed: Kubernetes manifests as YAML with what every object must have, hooks as JSON.
set -euo pipefail
contrib=$ACG_SRC/tools/contrib
python3 - "$contrib"/kubernetes/*.yaml <<'EOP'
import sys
import yaml
for path in sys.argv[1:]:
    for thing in yaml.safe_load_all(open(path)):
        for key in ("apiVersion", "kind", "metadata"):
            assert thing.get(key), f"{path}: no {key}"
        assert thing["metadata"].get("name"), f"{path}: no name"
        if thing["kind"] == "DaemonSet":
            spec = thing["spec"]
            labels = spec["template"]["metadata"]["labels"]
            assert spec["selector"]["matchLabels"].items() <= labels.items(), f"{path}: the selector does not match"
            pod = spec["template"]["spec"]
            volumes = {volume["name"] for volume in pod["volumes"]}
            for container in pod["containers"]:
                assert container["image"], f"{path}: no image"
                assert {mount["name"] for mount in container["volumeMounts"]} <= volumes, f"{path}: a volume is missing"
EOP
python3 -m json.tool "$contrib/oci-hook.json" > /dev/null
bash -n "$contrib/kubernetes/install"
