import Glibc
import Report

/// Standard output carries the answer and nothing else; standard error the rest.
enum Console {
    /// Writes to standard output. A reader that has gone away is no fault: there is nobody left to tell.
    /// - Throws: `FileError` where the output cannot be written, for instance a full disk.
    static func output(_ text: String) throws(FileError) {
        do throws(FileError) { try writeAll(Array(text.utf8), to: STDOUT_FILENO, name: "standard output") } catch {
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
        var size = winsize()
        if ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 { style.width = min(120, max(60, Int(size.ws_col))) }
        return style
    }
}
