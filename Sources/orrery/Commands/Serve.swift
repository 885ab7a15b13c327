import ArgumentParser
import Glibc
import Quantities
import Workbench

struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the what-if page, and answer questions over HTTP.",
        discussion: """
            The server is a program of its own, orrery-serve, which `make serve` builds; it is looked for beside this one, in the build of the
            checkout, and where ORRERY_SERVE says. Only this machine can reach it, unless --host and --token say otherwise. Ctrl-C ends it.
            """)
    @Option(parsing: .unconditional, help: "Port; 0: any that is free.") var port = ServerSettings().port
    @Option(help: "Name or address to listen on; other machines need the token.") var host = ServerSettings().host
    @Option(help: ArgumentHelp("What other machines have to show, 8 letters or digits at least.", valueName: "secret")) var token: String?
    @Flag(name: .customLong("no-open"), help: "Do not open a browser.") var noOpen = false

    func run() throws {
        var settings = ServerSettings()
        (settings.host, settings.port, settings.token, settings.opens) = (host, port, token, !noOpen)
        settings = try settings.checked()
        guard let program = Self.program() else {
            throw InputError("orrery serve: the server is not built: run `make serve`, or name its program in ORRERY_SERVE")
        }
        if let token { setenv(ServerSettings.tokenVariable, token, 1) } else { unsetenv(ServerSettings.tokenVariable) }
        var words: [UnsafeMutablePointer<CChar>?] = ([program] + settings.arguments).map { strdup($0) } + [nil]
        execv(program, &words)
        throw InputError("orrery serve: \(program) cannot be run: \(String(cString: strerror(errno)))")
    }

    /// The server's program: named by the environment, beside this one, or in the build of the checkout that this one stands in.
    private static func program() -> String? {
        let name = "orrery-serve"
        var places: [String] = []
        if let named = getenv("ORRERY_SERVE") { return access(named, X_OK) == 0 ? String(cString: named) : nil }
        if let own = realpath("/proc/self/exe", nil) {
            defer { free(own) }
            var folder = String(cString: own)
            for _ in 0..<5 {
                guard let slash = folder.lastIndex(of: "/") else { break }
                folder = String(folder[..<slash])
                places += [
                    "\(folder)/\(name)", "\(folder)/Workbench/Server/.build/release/\(name)",
                    "\(folder)/Workbench/Server/.build/debug/\(name)",
                ]
            }
        }
        return places.first { access($0, X_OK) == 0 }
    }
}
