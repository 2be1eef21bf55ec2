{{/* What the pods of controller, runner and migration have in common. */}}

{{/* Environment of a container. Call with (dict "root" $ "hook" bool "command" …); a hook needs Postgres only, and only
     the runner sends alerts and talks to LiveKit. */}}
{{- define "voicegateway.env" -}}
{{- $secret := include "voicegateway.secretName" . -}}
{{- $existing := .root.Values.existingSecret -}}
- name: VOICEGATEWAY_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ if $existing.name }}{{ $existing.databaseUrlKey }}{{ else }}DATABASE_URL{{ end }}
{{- if not .hook }}
- name: VOICEGATEWAY_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ if $existing.name }}{{ $existing.redisUrlKey }}{{ else }}REDIS_URL{{ end }}
{{- $queueKey := ternary $existing.queueRedisUrlKey (ternary "QUEUE_REDIS_URL" "" (ne .root.Values.redis.queueUrl "")) (ne $existing.name "") }}
{{- with $queueKey }}
- name: VOICEGATEWAY_QUEUE_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ . }}
{{- end }}
{{- end }}
{{- if eq .command "runner" }}
{{- include "voicegateway.runnerEnv" . }}
{{- end }}
{{- $fixed := include "voicegateway.fixedSettings" . | fromYaml }}
{{- range $name, $value := $fixed }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- range $name, $value := .root.Values.settings }}
{{- if or (hasKey $fixed $name) (has $name (list "VOICEGATEWAY_DATABASE_URL" "VOICEGATEWAY_REDIS_URL" "VOICEGATEWAY_QUEUE_REDIS_URL")) }}
{{- fail (printf "settings.%s is set by the chart: use database.url, redis.url, redis.queueUrl or existingSecret for the URLs; addresses, ports and home are fixed in the pod" $name) }}
{{- end }}
{{- if regexMatch "^VOICEGATEWAY_(ALERT_(WEBHOOK|SLACK|SMTP|EMAIL)|LIVEKIT)_" $name }}
{{- fail (printf "settings.%s is set by the chart: use alerts, livekit or existingSecret, which keep what is secret in a Secret" $name) }}
{{- end }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* Settings that the pod's ports, probes and read-only file system rely on. */}}
{{- define "voicegateway.fixedSettings" -}}
VOICEGATEWAY_HOST: "0.0.0.0"
VOICEGATEWAY_PORT: "8580"
VOICEGATEWAY_RUNNER_HOST: "0.0.0.0"
VOICEGATEWAY_RUNNER_PORT: "8581"
VOICEGATEWAY_HOME: /tmp/voicegateway
{{- end }}

{{/* Where and when the kubelet asks. Controller and runner answer on the same paths, each on its port `http`. */}}
{{- define "voicegateway.probes" -}}
startupProbe:
  httpGet:
    path: /livez
    port: http
  periodSeconds: 2
  failureThreshold: 30
livenessProbe:
  httpGet:
    path: /livez
    port: http
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 3
readinessProbe:
  httpGet:
    path: /readyz
    port: http
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
{{- end }}

{{/* The container without ports and probes. Call with (dict "root" $ "hook" bool "command" "controller"
     "resources" …). */}}
{{- define "voicegateway.container" -}}
- name: {{ .command }}
  image: {{ include "voicegateway.image" .root }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args: [{{ .command | quote }}]
  env:
    {{- include "voicegateway.env" . | nindent 4 }}
  {{- with .resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml .root.Values.securityContext | nindent 4 }}
  volumeMounts:
    - name: tmp
      mountPath: /tmp
{{- end }}

{{/* Everything of a pod that is neither its container nor its life cycle. */}}
{{- define "voicegateway.podDefaults" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: 64Mi
{{- end }}

{{/* Spread over nodes and zones, counting only pods of the same rollout. */}}
{{- define "voicegateway.topologySpread" -}}
{{- if .root.Values.topologySpread -}}
topologySpreadConstraints:
  {{- $selector := include "voicegateway.selectorLabels" . }}
  {{- range .root.Values.topologySpread }}
  {{- toYaml (list .) | nindent 2 }}
    labelSelector:
      matchLabels:
        {{- $selector | nindent 8 }}
    matchLabelKeys:
      - pod-template-hash
  {{- end }}
{{- end -}}
{{- end }}

{{/* Metadata of a controller or runner pod. The checksum restarts the pods when a URL changes; a Secret of your
     own is invisible here and needs a restart by hand. */}}
{{- define "voicegateway.podMetadata" -}}
annotations:
  checksum/secret: {{ include "voicegateway.secretData" .root | sha256sum }}
  {{- with .root.Values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
labels:
  {{- include "voicegateway.labels" . | nindent 2 }}
  {{- with .root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
