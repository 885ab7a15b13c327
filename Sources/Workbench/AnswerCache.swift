import Synchronization

/// Answers by their question, up to so many bytes; the one used longest ago goes first. The same question has the same answer.
final class AnswerCache: Sendable {
    private struct Entry {
        var answer: [UInt8]
        var used: Int
    }
    private struct State {
        var entries: [[UInt8]: Entry] = [:]
        var bytes = 0
        var clock = 0
    }
    private let state = Mutex(State())
    private let limit: Int

    init(bytes limit: Int) { self.limit = limit }

    subscript(question: [UInt8]) -> [UInt8]? {
        state.withLock { state in
            state.clock += 1
            state.entries[question]?.used = state.clock
            return state.entries[question]?.answer
        }
    }

    func keep(_ answer: [UInt8], for question: [UInt8]) {
        let size = answer.count + question.count
        guard size <= limit / 8 else { return }
        state.withLock { state in
            if let old = state.entries.removeValue(forKey: question) { state.bytes -= old.answer.count + question.count }
            state.clock += 1
            state.entries[question] = Entry(answer: answer, used: state.clock)
            state.bytes += size
            while state.bytes > limit, let oldest = state.entries.min(by: { $0.value.used < $1.value.used }) {
                state.entries.removeValue(forKey: oldest.key)
                state.bytes -= oldest.value.answer.count + oldest.key.count
            }
        }
    }
}
