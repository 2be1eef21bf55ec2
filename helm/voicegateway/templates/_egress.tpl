{{/* Where a pod may connect to: DNS, Postgres, Redis, for the runner alerts and LiveKit, for the
     controller vendors whose keys it tries and who signs people in, and what the operator adds. Call
     with (dict "root" $ "hook" bool "component" …); a hook needs no Redis. */}}
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
{{- $isBilling := and $values.billing.existingSecret (not .hook) (has .component (list "controller" "runner")) -}}
{{- $isTrying := or $values.vault.existingSecret $values.vault.keysSecret (hasKey $values.settings "VOICEGATEWAY_OIDC_ISSUER") -}}
{{- if or $isBilling (and $isTrying (eq .component "controller")) }}
{{ include "voicegateway.egressOn" (dict "ports" $values.networkPolicy.vendorPorts "to" $values.networkPolicy.vendorsTo) }}
{{- end }}
{{- if eq .component "runner" }}
{{- include "voicegateway.runnerEgress" .root }}
{{- end }}
{{- with $values.networkPolicy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Call with (dict "url" … "port" … "to" …). */}}
{{- define "voicegateway.egressTo" -}}
{{- include "voicegateway.egressOn" (dict "ports" (splitList "," (include "voicegateway.urlPorts" .)) "to" .to) -}}
{{- end }}

{{- define "voicegateway.egressOn" -}}
- ports:
    {{- range .ports }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
