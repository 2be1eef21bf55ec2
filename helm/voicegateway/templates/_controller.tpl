{{/* What only the controller is given: the file of the configuration, the vault's secrets, vendors' keys, signing in. */}}

{{- define "voicegateway.controllerEnv" -}}
{{- if .Values.config }}
- name: VOICEGATEWAY_CONFIG
  value: /etc/voicegateway/voicegw.yaml
{{- end }}
{{- if .Values.vault.existingSecret }}
- name: VOICEGATEWAY_VAULT_SECRETS_FILE
  value: /var/run/secrets/voicegateway-vault/secrets
{{- end }}
{{- if .Values.vault.insecure }}
- name: VOICEGATEWAY_VAULT_INSECURE
  value: "true"
{{- end }}
{{- end }}

{{/* Whole folders, never single files of them: the kubelet replaces what is in a folder, and controllers follow. */}}
{{- define "voicegateway.controllerMounts" -}}
{{- if .Values.config }}
- name: config
  mountPath: /etc/voicegateway
  readOnly: true
{{- end }}
{{- if .Values.vault.existingSecret }}
- name: vault
  mountPath: /var/run/secrets/voicegateway-vault
  readOnly: true
{{- end }}
{{- if .Values.vault.keysSecret }}
- name: keys
  mountPath: /var/run/secrets/voicegateway
  readOnly: true
{{- end }}
{{- end }}

{{- define "voicegateway.controllerVolumes" -}}
{{- if .Values.config }}
- name: config
  configMap:
    name: {{ include "voicegateway.fullname" . }}-config
{{- end }}
{{- with .Values.vault.existingSecret }}
- name: vault
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- with .Values.vault.keysSecret }}
- name: keys
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- end }}
