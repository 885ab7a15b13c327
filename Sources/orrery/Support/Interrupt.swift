import Glibc
import Synchronization

/// Whether Ctrl-C was pressed. A signal reaches the process and no object in it, so the note of it is the process's, too.
private let isPressed = Atomic(false)

/// Ctrl-C during `body` is noted and ends nothing; `body` asks for it, stops, and leaves what it has. A second one ends the program as always.
func interruptible<Value>(_ body: (_ isInterrupted: @escaping @Sendable () -> Bool) throws -> Value) rethrows -> Value {
    let before = signal(SIGINT) { _ in
        isPressed.store(true, ordering: .relaxed)
        signal(SIGINT, SIG_DFL)
    }
    defer { signal(SIGINT, before) }
    return try body { isPressed.load(ordering: .relaxed) }
}
