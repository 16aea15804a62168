package publish

import (
	"slices"
	"strings"
)

// protected says which rule keeps a path from being changed, and why; "" if none.
func protected(p string) (rule, why string) {
	p = fold(p)
	names := strings.Split(p, "/")
	name := names[len(names)-1]
	switch {
	case p == ".github": // a file or a link in the place of the folder
		return "workflow", "what GitHub reads there is for people to change"
	case strings.HasPrefix(p+"/", ".github/workflows/"), strings.HasPrefix(p+"/", ".github/actions/"),
		p == ".github/dependabot.yml", p == ".github/dependabot.yaml":
		return "workflow", "workflows run with the repository's secrets: people change them"
	case name == "action.yml", name == "action.yaml": // workflows use those in other folders too
		return "workflow", "actions run with the repository's secrets: people change them"
	case slices.Contains(pipelines, names[0]), name == "jenkinsfile", strings.HasPrefix(name, "jenkinsfile."):
		return "workflow", "a build service runs what it says with its secrets: people change it"
	case p == "codeowners", p == ".github/codeowners", p == "docs/codeowners":
		return "owners", "who has to review is for people to say"
	case name == ".gitmodules":
		return "submodule", "submodules fetch code from elsewhere: people change them"
	case name == ".gitattributes":
		return "attributes", "attributes can name programs that git runs: people change them"
	case p == ".github/soulcaster.yml":
		return "settings", "a run does not change its own rules"
	case slices.Contains(instructions, name), strings.HasPrefix(p+"/", ".github/instructions/"), strings.HasPrefix(p+"/", ".github/prompts/"),
		strings.HasPrefix(p+"/", ".github/agents/"), strings.HasPrefix(p+"/", ".github/chatmodes/"), strings.HasPrefix(p+"/", ".github/skills/"),
		strings.HasPrefix(p+"/", ".github/hooks/"):
		return "instructions", "it tells coding agents what to do, the next round's too: people change it"
	case slices.ContainsFunc(names, onMachine):
		return "machine", "an editor, a coding agent, a codespace or git may run what it says on a reviewer's machine: people change it"
	}
	return "", ""
}

// pipelines are what build services other than GitHub's own read at the top of a
// repository, from the branch that they build.
var pipelines = []string{
	".appveyor.yml", ".buildkite", ".builds", ".build.yml", ".circleci", ".cirrus.yml", ".drone.yml", ".forgejo", ".gitea", ".gitlab-ci.yml",
	".harness", ".readthedocs.yaml", ".readthedocs.yml", ".semaphore", ".teamcity", ".tekton", ".travis.yml", ".vsts-ci.yml", ".woodpecker",
	".woodpecker.yml", ".woodpecker.yaml", ".zuul.d", ".zuul.yaml", "amplify.yml", "app.json", "appveyor.yml", "azure-pipelines.yml",
	"azure-pipelines.yaml", "bitbucket-pipelines.yml", "bitrise.yml", "buildspec.yml", "buildspec.yaml", "cloudbuild.yaml", "cloudbuild.yml",
	"codefresh.yml", "codemagic.yaml", "heroku.yml", "netlify.toml", "vercel.json",
}

// instructions are the files in which repositories tell coding agents what to do. An
// agent obeys those in folders that it comes to, also ones that it wrote itself.
var instructions = []string{
	"agents.md", "agents.override.md", "agent.md", "claude.md", "claude.local.md", "context.md", "gemini.md", "qwen.md", "warp.md",
	"copilot-instructions.md", ".cursorrules", ".windsurfrules", ".clinerules", ".roorules", ".goosehints", ".rules",
}

// onMachine reports whether a file or folder of this name, in lower case, has tools
// run commands where the repository is opened or checked out.
func onMachine(name string) bool {
	switch name {
	case ".devcontainer", ".devcontainer.json", ".gitpod.yml", ".codesandbox", ".idx", ".vscode", ".vs", ".idea", ".run", ".fleet", ".zed",
		".exrc", ".vimrc", ".nvim.lua", ".dir-locals.el",
		".husky", ".githooks", ".overcommit.yml", ".pre-commit-config.yaml", ".pre-commit-config.yml", ".lefthook", ".envrc",
		"mise.toml", ".mise.toml", ".yarnrc.yml", ".pnpmfile.cjs":
		return true
	// Coding agents: hooks, plugins, servers that they start.
	case ".mcp.json", "mcp.json", ".claude", ".cursor", ".windsurf", ".cline", ".clinerules", ".roo", ".roomodes", ".continue", ".codex",
		".gemini", ".qwen", ".junie", ".amazonq", ".kiro", ".factory", ".agent", ".agents", ".augment", ".trae", ".openhands", "crush.json", ".aider.conf.yml", "kilo.json", "kilo.jsonc", "opencode.json", "opencode.jsonc":
		return true
	}
	for _, of := range []string{".kilo", ".opencode", "lefthook.", "lefthook-local.", ".lefthook."} {
		if strings.HasPrefix(name, of) {
			return true
		}
	}
	return false
}
