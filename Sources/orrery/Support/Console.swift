import Glibc
import Report

/// Standard output carries the answer and nothing else; standard error the rest.
enum Console {
    /// Writes to standard output. A reader that has gone away is no fault: there is nobody left to tell. On a terminal, lines of tables are cut at its
    /// edge and other lines broken, unless the text is data (`--json`, `--csv`).
    /// - Throws: `FileError` where the output cannot be written, for instance a full disk.
    static func output(_ text: String, isData: Bool = false) throws(FileError) {
        let isForPrograms = isData || CommandLine.arguments.contains("--json") || CommandLine.arguments.contains("--csv")
        let shown = terminalWidth.map { isForPrograms ? text : fitted(text, width: $0) } ?? text
        do throws(FileError) { try writeAll(Array(shown.utf8), to: STDOUT_FILENO, name: "standard output") } catch {
            guard error.code == EPIPE else { throw error }
        }
    }

    static func error(_ text: String) { try? writeAll(Array((text + "\n").utf8), to: STDERR_FILENO, name: "standard error") }

    static var outputIsTerminal: Bool { isatty(STDOUT_FILENO) != 0 }
    static var errorIsTerminal: Bool { isatty(STDERR_FILENO) != 0 }

    /// Colours and width of the answer.
    static var style: TextStyle {
        guard outputIsTerminal else { return .plain }
        var environment: [String: String] = [:]
        for name in ["NO_COLOR", "TERM"] {
            if let value = getenv(name) { environment[name] = String(cString: value) }
        }
        var style = TextStyle.automatic(isTerminal: true, environment: environment)
        if let width = terminalWidth { style.width = min(120, max(60, width)) }
        return style
    }

    /// Columns of the terminal that standard output is; nil where it is none.
    static var terminalWidth: Int? {
        var size = winsize()
        guard outputIsTerminal, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }
}
