package stack

import (
	"strings"

	"github.com/soulcaster/soulcaster/engine/feedback"
)

// systemModules are the beginnings of module names that belong to a language's
// runtime, its test runners and the frameworks that call a program. They are
// asked only about traces whose reporter did not mark the program's own frames.
var systemModules = []string{
	// JVM
	"java.", "javax.", "jakarta.", "jdk.", "sun.", "com.sun.", "kotlin.", "kotlinx.", "scala.", "groovy.", "org.codehaus.groovy.",
	"junit.", "org.junit.", "org.testng.", "org.apache.tools.ant.", "org.apache.maven.", "org.gradle.",
	"org.springframework.", "org.apache.catalina.", "org.apache.tomcat.", "org.eclipse.jetty.", "io.netty.", "reactor.",
	"android.", "androidx.", "com.android.", "dalvik.", "libcore.",
	// .NET
	"System.", "Microsoft.", "Xunit.", "NUnit.",
	// Go
	"runtime", "net/http", "testing", "reflect", "syscall", "internal/",
	// Python
	"threading", "asyncio", "concurrent.futures", "importlib", "unittest", "_pytest", "django.core.handlers", "django.utils.deprecation", "flask.app", "werkzeug", "gunicorn", "celery.app", "starlette", "uvicorn",
	// JavaScript, Ruby, PHP, Swift
	"node:", "internal/", "express", "react-dom", "zone.js", "webpack", "jest", "mocha",
	"rack", "puma", "action_dispatch", "action_controller", "active_support", "rspec",
	"Illuminate\\", "Symfony\\", "PHPUnit\\", "UIKit", "Foundation", "CoreFoundation", "libsystem",
}

// systemPaths are parts of file names that only a runtime or an installed
// library has.
var systemPaths = []string{
	"/node_modules/", "node_modules/", "/site-packages/", "/dist-packages/", "/lib/python", "/lib/ruby/", "/gems/",
	"/pkg/mod/", "/usr/lib/", "/usr/local/go/", "/vendor/", "node:internal",
}

// system reports whether a frame looks like a runtime's or a library's.
func system(f feedback.Frame) bool {
	for _, p := range systemModules {
		rest, ok := strings.CutPrefix(f.Module, p)
		if ok && (rest == "" || !isWord(p[len(p)-1]) || !isWord(rest[0])) {
			return true
		}
	}
	file := strings.ReplaceAll(f.File, `\`, "/")
	for _, p := range systemPaths {
		if strings.Contains(file, p) {
			return true
		}
	}
	return false
}
