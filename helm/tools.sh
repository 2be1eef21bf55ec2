#!/usr/bin/env bash
# Finds or builds the chart's tools and prints the folder that holds them: helm, and helm-docs where Go is there.
#
# helm: the pinned one built earlier, else the one on PATH, else built by `go install` (about three minutes, once).
# Exit 3: neither helm nor Go (1.21 or newer, which fetches the Go that helm wants) is here.
# Exit 4: Go is here but could not build helm, e.g. without a network.
# kubeconform is left out on purpose: it fetches its schemas at run time; the tests validate with bundled ones.
set -euo pipefail

HELM_VERSION=v4.3.1
HELM_DOCS_VERSION=v1.14.2

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
if [ -n "${XDG_CACHE_HOME:-}" ]; then
  cache="$XDG_CACHE_HOME/voicegateway-tools"
else
  cache="$here/.tools"
fi
bin="$cache/helm-$HELM_VERSION-docs-$HELM_DOCS_VERSION"

say() { printf 'helm/tools.sh: %s\n' "$*" >&2; }

has_go() { # Older ones do not know GOTOOLCHAIN and cannot even read helm's go.mod.
  command -v go >/dev/null && [ -n "$(go env GOTOOLCHAIN 2>/dev/null)" ]
}

install_tool() { # install_tool NAME MODULE@VERSION
  local build
  build="$(mktemp -d "$bin/build.XXXXXX")"
  # A module cache that its owner can delete; nothing here needs C. GOENV-free paths when there is no HOME.
  if [ -z "${HOME:-}" ]; then
    export GOPATH="$cache/go" GOCACHE="$cache/go-build"
  fi
  if ! CGO_ENABLED=0 GOBIN="$build" go install -modcacherw -ldflags '-s -w' "$2" >"$build/log" 2>&1; then
    tail -n 5 "$build/log" >&2
    rm -rf "$build"
    return 1
  fi
  mv -f "$build/$1" "$bin/$1" # One rename: a second run at the same time sees no half a file.
  rm -rf "$build"
}

mkdir -p "$bin"
if ! [ -x "$bin/helm" ]; then
  if found="$(command -v helm)" && "$found" version --template '{{.Version}}' 2>/dev/null | grep -Eq '^v[34]'; then
    ln -sf "$found" "$bin/helm"
  elif has_go; then
    say "building helm $HELM_VERSION, about three minutes, once"
    install_tool helm "helm.sh/helm/v4/cmd/helm@$HELM_VERSION" || { say "could not build helm"; exit 4; }
  else
    rmdir "$bin" 2>/dev/null || true
    say "neither helm nor Go 1.21 is here"
    exit 3
  fi
fi
if ! [ -x "$bin/helm-docs" ] && has_go; then
  install_tool helm-docs "github.com/norwoodj/helm-docs/cmd/helm-docs@$HELM_DOCS_VERSION" ||
    say "could not build helm-docs; the chart's README is not checked"
fi
printf '%s\n' "$bin"
