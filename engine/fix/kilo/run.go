package kilo

// Switches are the environment, NAME=value, that has Kilo read the configuration at
// a path, and turns off what it would do beside its work.
func Switches(config string) []string {
	return []string{
		"KILO_CONFIG=" + config,
		"KILO_DISABLE_PROJECT_CONFIG=1",
		"KILO_DISABLE_DEFAULT_PLUGINS=1",
		"KILO_DISABLE_EXTERNAL_SKILLS=1", // .claude/skills, .agents/skills
		"KILO_DISABLE_CLAUDE_CODE=1",
		"KILO_DISABLE_AUTOUPDATE=1",
		"KILO_DISABLE_MODELS_FETCH=1",
		"KILO_DISABLE_SESSION_INGEST=1",
		"KILO_DISABLE_LSP_DOWNLOAD=1",
		"KILO_DISABLE_SHARE=1",
		"KILO_TELEMETRY_LEVEL=off",
		"KILO_SESSION_RETRY_LIMIT=3",
		"OTEL_SDK_DISABLED=true",
	}
}

// Arguments are the command line that has Kilo do what it reads from its standard
// input, with a model of [Config]'s, until it is done, and tell events in JSON.
func Arguments(model, title string) []string {
	return []string{"run", "--auto", "--format", "json", "--agent", "code", "-m", provider + "/" + model, "--title", title}
}
