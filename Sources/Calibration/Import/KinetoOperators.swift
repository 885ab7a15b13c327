import Quantities
import Workload

/// Which operator of a Kineto trace launched a kernel. A kernel and its launch (cudaLaunchKernel) share a correlation id, and the operator is the
/// innermost one of the launch's thread that runs at that time. "External id" says the same in traces recorded from Python, but not in those recorded
/// on demand (dynolog), where it repeats the correlation; it counts only for kernels without a launch.
struct KinetoOperators {
    /// Index of the operator among the trace's events, by correlation id.
    private var byCorrelation: [Double: Int] = [:]
    /// Correlations whose launch plays a recorded graph: no operator runs then that says what its kernels compute.
    private var graphs: Set<Double> = []
    private var byExternalID: [Double: Int] = [:]

    private struct Span {
        var thread: Thread
        var start: Double
        var end: Double
        var index: Int
    }
    private struct Thread: Hashable, Comparable {
        var process: String
        var number: String
        static func < (a: Thread, b: Thread) -> Bool { (a.process, a.number) < (b.process, b.number) }
    }

    /// - Complexity: O(n log n) of the operators and launches.
    init(_ events: [JSON]) {
        var operators: [Span] = []
        var launches: [(span: Span, correlation: Double)] = []
        for (index, event) in events.enumerated() {
            guard case .string(let category)? = event["cat"], let span = Self.span(event, index) else { continue }
            switch category {
            case "cpu_op", "Operator":
                operators.append(span)
                // The innermost operator of an id is recorded last.
                if case .number(let id)? = event["args"]?["External id"] ?? event["args"]?["external id"] { byExternalID[id] = index }
            case "cuda_runtime", "cuda_driver", "hip_runtime", "Runtime":
                guard case .number(let correlation)? = event["args"]?["correlation"] else { continue }
                launches.append((span, correlation))
                if case .string(let name)? = event["name"], name.contains("GraphLaunch") { graphs.insert(correlation) }
            default: continue
            }
        }
        operators.sort { ($0.thread, $0.start, -$0.end, $0.index) < ($1.thread, $1.start, -$1.end, $1.index) }
        launches.sort { ($0.span.thread, $0.span.start, $0.span.index) < ($1.span.thread, $1.span.start, $1.span.index) }
        var open: [Span] = []
        var next = 0
        for launch in launches {
            while next < operators.count, (operators[next].thread, operators[next].start) <= (launch.span.thread, launch.span.start) {
                // What ended before this one began is done with, so that the stack holds only what is nested.
                while let last = open.last, last.thread != operators[next].thread || last.end < operators[next].start { open.removeLast() }
                open.append(operators[next])
                next += 1
            }
            while let last = open.last, last.thread != launch.span.thread || last.end < launch.span.start { open.removeLast() }
            if let inner = open.last { byCorrelation[launch.correlation] = inner.index }
        }
        self.launched = Set(launches.map(\.correlation))
    }
    private let launched: Set<Double>

    /// Index of the operator among the events; nil where none is known.
    func launcher(of kernel: JSON) -> Int? {
        if case .number(let correlation)? = kernel["args"]?["correlation"], launched.contains(correlation) {
            return graphs.contains(correlation) ? nil : byCorrelation[correlation]
        }
        guard case .number(let id)? = kernel["args"]?["External id"] ?? kernel["args"]?["external id"] else { return nil }
        return byExternalID[id]
    }

    private static func span(_ event: JSON, _ index: Int) -> Span? {
        guard case .number(let start)? = event["ts"] else { return nil }
        var length = 0.0
        if case .number(let duration)? = event["dur"] { length = duration }
        return Span(
            thread: Thread(process: text(event["pid"]), number: text(event["tid"])), start: start, end: start + length, index: index)
    }

    /// Processes and threads are numbers or names.
    private static func text(_ value: JSON?) -> String {
        switch value {
        case .number(let number): "\(number)"
        case .string(let text): text
        default: ""
        }
    }
}
