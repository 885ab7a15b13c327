import Glibc
import Synchronization

/// How far long work is: a bar on a terminal, a line now and then in a log. Work that is quickly done shows nothing.
final class Progress: Sendable {
    private let title: String
    private let total: Int
    private let isBar: Bool
    private let isQuiet: Bool
    private let begun = ContinuousClock.now
    private struct State {
        var last: ContinuousClock.Instant
        var isShown = false
    }
    private let state: Mutex<State>

    init(_ title: String, of total: Int = 0, quiet: Bool) {
        self.title = title
        self.total = total
        isQuiet = quiet
        isBar = Console.errorIsTerminal
        state = Mutex(State(last: .now))
    }

    /// - Parameter total: how much there is to do, where that was not known at first.
    func show(_ done: Int, of total: Int? = nil) {
        let total = total ?? self.total
        guard !isQuiet, done < total else { return }
        state.withLock { state in
            let wait: Duration = isBar ? (state.isShown ? .milliseconds(100) : .milliseconds(500)) : .seconds(15)
            guard state.last.duration(to: .now) >= wait else { return }
            state.last = .now
            state.isShown = true
            let filled = 30 * done / max(1, total)
            let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 30 - filled)
            let left = self.left(done, total)
            let text = isBar ? "\r\(title) \(bar) \(done)/\(total)\(left)\u{1B}[K" : "\(title): \(done) of \(total)\(left)\n"
            try? writeAll(Array(text.utf8), to: STDERR_FILENO, name: "standard error")
        }
    }

    /// "; 2 min left" at the pace so far.
    private func left(_ done: Int, _ total: Int) -> String {
        guard done > 0 else { return "" }
        let seconds = Int(begun.duration(to: .now) / .seconds(1) * Double(total - done) / Double(done))
        return seconds < 120 ? "; \(seconds) s left" : seconds < 7200 ? "; \(seconds / 60) min left" : "; \(seconds / 3600) h left"
    }

    /// Takes the bar off the screen.
    func finish() {
        let wasShown = state.withLock { $0.isShown }
        if isBar, wasShown { try? writeAll(Array("\r\u{1B}[K".utf8), to: STDERR_FILENO, name: "standard error") }
    }
}
