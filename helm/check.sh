#!/usr/bin/env bash
# Refreshes what the chart holds in copy (dashboards, README), then lints and renders it with every ci values file.
# Loudly does only the first part where neither helm nor Go is here.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
chart="$here/voicegateway"

# Helm reads files only inside the chart; the source is dashboards/grafana. Mirror it, deletions included.
mkdir -p "$chart/files/grafana"
rm -f "$chart"/files/grafana/*.json
cp "$here"/../dashboards/grafana/*.json "$chart/files/grafana/"

status=0
bin="$(bash "$here/tools.sh")" || status=$?
if [ "$status" -eq 3 ] || { [ "$status" -eq 4 ] && [ "${CI:-}" != true ]; }; then
  echo "SKIPPED: the chart was NOT linted and NOT rendered (no helm, and none could be built)" >&2
  exit 0
elif [ "$status" -ne 0 ]; then
  exit "$status"
fi

if [ -x "$bin/helm-docs" ]; then
  "$bin/helm-docs" --log-level warning --chart-search-root "$chart" --sort-values-order file
else
  echo "SKIPPED: the chart's README was NOT regenerated (no helm-docs)" >&2
fi

rendered="$(mktemp)"
trap 'rm -f "$rendered"' EXIT
for values in "$chart"/ci/*-values.yaml; do
  # A helm from `go install` does not know a Kubernetes version of its own; name the oldest one we promise.
  "$bin/helm" lint --strict --quiet --kube-version 1.30.0 "$chart" --values "$values"
  "$bin/helm" template release "$chart" --namespace voice --kube-version 1.30.0 --values "$values" >"$rendered"
  echo "ok: $(basename "$values") renders $(grep -c '^kind:' "$rendered") objects"
done
