{{/* Where a pod may connect to: DNS, Postgres, Redis, and what the operator adds. Call with (dict "root" $ "hook" bool);
     a hook needs no Redis. */}}
{{- define "voicegateway.egress" -}}
{{- $values := .root.Values -}}
- ports:
    {{- range $values.networkPolicy.dnsPorts }}
    - port: {{ . }}
      protocol: UDP
    - port: {{ . }}
      protocol: TCP
    {{- end }}
{{ include "voicegateway.egressTo" (dict "url" $values.database.url "port" $values.database.port "to" $values.networkPolicy.databaseTo) }}
{{- if not .hook }}
{{ include "voicegateway.egressTo" (dict "url" $values.redis.url "port" $values.redis.port "to" $values.networkPolicy.redisTo) }}
{{- if or $values.redis.queueUrl (and $values.existingSecret.name $values.existingSecret.queueRedisUrlKey) }}
{{ include "voicegateway.egressTo" (dict "url" $values.redis.queueUrl "port" $values.redis.queuePort "to" $values.networkPolicy.redisTo) }}
{{- end }}
{{- end }}
{{- with $values.networkPolicy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "voicegateway.egressTo" -}}
- ports:
    {{- range splitList "," (include "voicegateway.urlPorts" .) }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
