{{/* Postgres and Redis: where the URLs live, what is refused, which ports they use. */}}

{{/* Refuses, in words, a release that could not reach its stores. Never prints a URL: it holds a password. */}}
{{- define "voicegateway.checkConnections" -}}
{{- if not .Values.existingSecret.name -}}
{{- if not .Values.database.url -}}
{{- fail "database.url is not set: VoiceGateway uses your own Postgres; set database.url, or existingSecret.name to a Secret with DATABASE_URL and REDIS_URL" -}}
{{- end -}}
{{- if not .Values.redis.url -}}
{{- fail "redis.url is not set: VoiceGateway uses your own Redis; set redis.url, or existingSecret.name to a Secret with DATABASE_URL and REDIS_URL" -}}
{{- end -}}
{{- if not (regexMatch "^postgres(ql)?(\\+asyncpg)?://[^/]" .Values.database.url) -}}
{{- fail "database.url is not a Postgres URL: it must start with postgresql://" -}}
{{- end -}}
{{- if not (regexMatch "^rediss?(\\+cluster)?://[^/]" .Values.redis.url) -}}
{{- fail "redis.url is not a Redis URL: it must start with redis:// or rediss://, or for a cluster with redis+cluster:// or rediss+cluster://" -}}
{{- end -}}
{{- if not (regexMatch "^(rediss?://[^/].*)?$" .Values.redis.queueUrl) -}}
{{- fail "redis.queueUrl is not the URL of a single Redis: it must start with redis:// or rediss://" -}}
{{- end -}}
{{- else if or .Values.database.url .Values.redis.url .Values.redis.queueUrl -}}
{{- fail "existingSecret.name is set together with database.url, redis.url or redis.queueUrl: give the URLs in one place" -}}
{{- end -}}
{{- end }}

{{/* Name of the Secret with the URLs. Call with (dict "root" $ "hook" true) for the migration, which runs before
     the release's own Secret exists and so brings its own copy. */}}
{{- define "voicegateway.secretName" -}}
{{- if .root.Values.existingSecret.name -}}
{{- .root.Values.existingSecret.name -}}
{{- else if .hook -}}
{{- include "voicegateway.fullname" .root }}-migrate
{{- else -}}
{{- include "voicegateway.fullname" .root -}}
{{- end -}}
{{- end }}

{{- define "voicegateway.secretData" -}}
DATABASE_URL: {{ .Values.database.url | quote }}
REDIS_URL: {{ .Values.redis.url | quote }}
{{- with .Values.redis.queueUrl }}
QUEUE_REDIS_URL: {{ . | quote }}
{{- end }}
{{- range $name, $secret := include "voicegateway.runnerSecrets" . | fromYaml }}
{{- with $secret.value }}
{{ $name }}: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Ports named in a URL (it may list several hosts), else the default. Call with (dict "url" … "port" …). */}}
{{- define "voicegateway.urlPorts" -}}
{{- $authority := regexReplaceAll "^[a-z+]+://" .url "" | splitList "/" | first | splitList "@" | last -}}
{{- $ports := list -}}
{{- range splitList "," $authority -}}
{{- with regexFind ":[0-9]+$" . -}}
{{- $ports = append $ports (trimPrefix ":" .) -}}
{{- end -}}
{{- end -}}
{{- if not $ports -}}
{{- $ports = list (.port | int | toString) -}}
{{- end -}}
{{- $ports | uniq | join "," -}}
{{- end }}
