import Calibration
import Cluster
import Compression
import Glibc
import Kernels
import Workload

/// Times this machine's kernels, copies, codecs and links into a measurement file.
public struct CPUCalibration {
    public struct Settings: Sendable {
        /// Measurement file (docs/measurements.md).
        public var output: String
        /// Seconds of wall clock, all included.
        public var budget = 240.0
        /// Threads of the matrix library.
        public var threads = 1
        /// Shapes that `output` holds are not timed again; false: the file must not exist.
        public var resumes = false
        /// Nil: the median, or on a busy machine the tenth percentile.
        public var quantile: Double?
        /// What plays the other end of a link: program and arguments that end up in `LinkPeer.serve`. Empty: links are left out.
        public var peer: [String] = []
        /// Only calls of these kernels, without codecs, contention and links; empty: everything.
        public var only: Set<KernelName> = []
        /// In place of the standard ones, and without codecs and contention.
        var calls: [KernelCall]?
        public init(output: String) { self.output = output }
    }
    /// How far a calibration is.
    public struct Progress: Sendable {
        public var done: Int
        public var planned: Int
        public var elapsed: Double
        public var budget: Double
        /// What is timed now.
        public var item: String
    }
    public struct Outcome: Sendable {
        /// Rows written now, and those that the file held before.
        public var written = 0
        public var found = 0
        /// Timings that the budget left no time for.
        public var left = 0
        /// Repeats that the system disturbed, of all.
        public var disturbed = 0
        public var repeats = 0
        /// Timings whose confidence interval stayed wider than asked.
        public var unsettled = 0
        public var device = ""
        public var library = ""
        public var isBusy = false
        /// What could not be measured, with the reason.
        public var remarks: [String] = []
    }

    private let settings: Settings
    private let backend: CPUBackend
    private let machine: Machine
    private let library: String
    private let source: String
    private let quantile: Double
    private let begin = Clocks.wall()

    /// - Throws: `CalibrationError` for settings out of range.
    public init(_ settings: Settings) throws(CalibrationError) {
        guard settings.budget >= 1, settings.budget <= 86_400 else {
            throw CalibrationError("a budget of \(settings.budget) seconds: it must be 1 s to 1 day, for instance 4min")
        }
        if let quantile = settings.quantile, !(quantile > 0 && quantile <= 0.5) {
            throw CalibrationError("a quantile of \(quantile): it must be above 0 and at most 0.5, the median")
        }
        do throws(KernelError) { backend = try CPUBackend(threads: settings.threads) } catch { throw CalibrationError(error.message) }
        self.settings = settings
        let description = backend.description
        machine = Machine(processor: description.processor)
        let threads = settings.threads == 1 ? "1 thread" : "\(settings.threads) threads"
        library = "\(description.library) \(description.libraryCore), vectors \(description.vectors), \(threads)"
        quantile = settings.quantile ?? (machine.isBusy ? 0.1 : 0.5)
        let statistic = quantile == 0.5 ? "median" : "\(Int((100 * quantile).rounded()))th percentile"
        let load = Double((machine.load * 10).rounded()) / 10
        source = "orrery calibrate cpu: \(statistic), load \(load) a core"
    }

    /// One entry of the plan.
    private enum Item {
        case call(KernelCall, Residency)
        case codec(Int, count: Int)

        var seconds: Double {
            switch self {
            case .call(let call, .rotated): 0.02 + 6 * CalibrationShapes.expectedSeconds(call)
            case .call(let call, _): 0.004 + 20 * CalibrationShapes.expectedSeconds(call)
            case .codec(_, let count): 0.004 + Double(count) * 8e-8
            }
        }
    }

    private func plan() -> [Item] {
        var items: [Item] = []
        for call in settings.calls ?? CalibrationShapes.standard.calls where settings.only.isEmpty || settings.only.contains(call.kernel) {
            // Beyond half of the last cache "warm" means nothing: other work has its share of it.
            if call.bytes <= machine.lastCache / 2 { items.append(.call(call, .warm)) }
            if call.bytes >= CallTimer.leastRotated { items.append(.call(call, .rotated)) }
        }
        guard settings.calls == nil, settings.only.isEmpty else { return items }
        // Codecs and contention are few and belong to every file: after the first sixth.
        var early: [Item] = Self.contentionCalls().map { .call($0, .contended) }
        for (index, _) in CalibrationShapes.codecs().enumerated() {
            for power in [10, 13, 15, 17, 19, 21] { early.append(.codec(index, count: 1 << power)) }
        }
        items.insert(contentsOf: early, at: items.count / 6)
        return items
    }

    /// Small, middling and large calls of each class.
    static func contentionCalls() -> [KernelCall] {
        var calls: [KernelCall] = []
        func add(_ kernel: KernelName, _ sizes: [Int]) {
            if let call = try? KernelCall(kernel, sizes) { calls.append(call) }
        }
        for size in [64, 192, 512] { add(.gemmNT, [size, size, size]) }
        for length in [64, 128, 256] { add(.attention, [4, 4, length, 32, 1, 0]) }
        for kernel in [KernelName.layerNorm, .softmax, .crossEntropy] {
            for rows in [64, 1024, 4096] { add(kernel, [rows, 256]) }
        }
        for kernel in [KernelName.gelu, .copy, .add, .adamW] {
            for power in [13, 17, 22] { add(kernel, [1 << power]) }
        }
        return calls
    }

    /// Rows are appended as they are made, so that a calibration that is killed loses at most the last seconds.
    /// - Throws: `MeasurementFault` where the file cannot be read or written, or is there and `resumes` is false.
    public func run(_ report: (Progress) -> Void) throws(MeasurementFault) -> Outcome {
        var outcome = Outcome()
        (outcome.device, outcome.library, outcome.isBusy) = (machine.device, library, quantile < 0.5)
        CPUBackend.keepMemory()
        let known = try existing()
        outcome.found = known.measurements.count
        // Fails now rather than after minutes.
        try MeasurementFile.append([], to: settings.output)

        var rows: [Measurement] = []
        var links = LinkMeasurement(peer: settings.peer, device: machine.device)
        links.rule.quantile = quantile
        if !settings.peer.isEmpty, settings.only.isEmpty {
            report(Progress(done: 0, planned: 1, elapsed: elapsed, budget: settings.budget, item: "links between processes"))
            do throws(CalibrationError) {
                for (key, repeats) in try links.run(until: begin + 0.15 * settings.budget, { known.contains($0, library: library) }) {
                    rows.append(row(key, repeats, &outcome))
                }
            } catch { outcome.remarks.append(error.message) }
        }
        let items = plan().filter { item in !keys(item).allSatisfy { known.contains($0, library: library) } }
        var bench = CallBench(backend: backend, machine: machine, budget: settings.budget)
        var late: [Late] = []
        var rest = items.reduce(0) { $0 + $1.seconds }
        var flushed = Clocks.wall()
        for (index, item) in items.enumerated() {
            let left = settings.budget - elapsed
            // On a busy machine the preparations alone may take a short budget; one timing is made all the same, so that --resume gets on.
            guard left > 0.01 * settings.budget || index == 0 else {
                outcome.left = items.count - index
                break
            }
            report(Progress(done: index, planned: items.count, elapsed: elapsed, budget: settings.budget, item: name(item)))
            var rule = StopRule()
            rule.quantile = quantile
            // Fair shares of the time that is left, so that few shapes settle by luck alone, and none eats the others' time.
            rule.seconds = max(0.01, min(0.03 * settings.budget, 1.5 * item.seconds * max(1, left / max(1e-9, rest))))
            rest -= item.seconds
            switch item {
            case .call(let call, let residency):
                bench.rule = rule
                let key = Measurement.Key(call, residency, device: machine.device)
                guard let repeats = bench.time(call, residency) else { break }
                if !repeats.isCalm, late.count < Self.mostLate {
                    late.append(Late(call: call, residency: residency, rule: rule, first: repeats))
                    break
                }
                rows.append(row(key, repeats, &outcome))
                // While the core runs as it should, what was disturbed is timed again.
                if repeats.isCalm, let one = late.first {
                    late.removeFirst()
                    bench.rule = one.rule
                    let again = bench.time(one.call, one.residency)
                    rows.append(row(Measurement.Key(one.call, one.residency, device: machine.device), one.better(again), &outcome))
                }
            case .codec(let index, let count):
                let timer = CodecTimer(CalibrationShapes.codecs()[index], count: count, device: machine.device)
                for (key, repeats) in timer?.time(rule) ?? [] { rows.append(row(key, repeats, &outcome)) }
            }
            if Clocks.wall() - flushed > 2 {
                try MeasurementFile.append(rows, to: settings.output)
                (rows, flushed) = ([], Clocks.wall())
            }
        }
        for one in late {
            rows.append(row(Measurement.Key(one.call, one.residency, device: machine.device), one.first, &outcome))
        }
        try MeasurementFile.append(rows, to: settings.output)
        report(
            Progress(
                done: items.count - outcome.left, planned: items.count, elapsed: elapsed, budget: settings.budget, item: "done"))
        return outcome
    }

    /// A timing that was disturbed from beginning to end, and is made again.
    private struct Late {
        var call: KernelCall
        var residency: Residency
        var rule: StopRule
        var first: Repeats

        /// The undisturbed one, else the shorter: disturbance only lengthens.
        func better(_ again: Repeats?) -> Repeats {
            guard let again else { return first }
            return again.isCalm || again.seconds < first.seconds ? again : first
        }
    }
    private static let mostLate = 200

    private var elapsed: Double { Clocks.wall() - begin }

    private func existing() throws(MeasurementFault) -> MeasurementFile {
        guard Machine.exists(settings.output) else { return MeasurementFile() }
        guard settings.resumes else {
            throw MeasurementFault(
                file: settings.output,
                [
                    .init(
                        reason: "the file exists", suggestion: "add --resume to go on with it, or choose another path")
                ])
        }
        return try MeasurementFile.read(path: settings.output)
    }

    private func name(_ item: Item) -> String {
        switch item {
        case .call(let call, let residency): residency == .rotated ? "\(call)" : "\(call) \(residency.rawValue)"
        case .codec(let index, let count): "\(CalibrationShapes.codecs()[index].name) of \(count)"
        }
    }

    private func keys(_ item: Item) -> [Measurement.Key] {
        switch item {
        case .call(let call, let residency): [Measurement.Key(call, residency, device: machine.device)]
        case .codec(let index, let count): CodecTimer(CalibrationShapes.codecs()[index], count: count, device: machine.device)?.keys ?? []
        }
    }

    /// To six digits, far below what any timing knows: files stay small.
    static func rounded(_ value: Double) -> Double {
        guard value != 0, value.isFinite else { return value }
        let scale = pow(10, 5 - log10(abs(value)).rounded(.down))
        return (value * scale).rounded() / scale
    }

    private func row(_ key: Measurement.Key, _ repeats: Repeats, _ outcome: inout Outcome) -> Measurement {
        var row = Measurement(key, seconds: Self.rounded(repeats.seconds), repeats: repeats.count, source: source, date: Clocks.today())
        row.spread = Self.rounded(repeats.spread)
        row.p99 = Self.rounded(repeats.p99)
        row.conditions = Measurement.Conditions(clockHz: Machine.clock(), temperatureC: Machine.temperature(), library: library)
        outcome.written += 1
        outcome.disturbed += repeats.disturbed
        outcome.repeats += repeats.count
        if !repeats.isSettled { outcome.unsettled += 1 }
        return row
    }
}
