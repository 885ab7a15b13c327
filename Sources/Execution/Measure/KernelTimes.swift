import Calibration
import Cluster
import Glibc
import Kernels
import Workload

/// Durations of a CPU's kernels from a measurement file: what a prediction of a real run adds up.
public struct KernelTimes: Sendable {
    /// As the file names the processor.
    public let device: String
    /// Library, code path and threads behind the timings.
    public let library: String
    /// Kernels that could not be fitted, with the reason.
    public let remarks: [String]
    private let curves: [CurveKey: KernelCurve]
    private let contention: [Contention: Double]
    private let machine: Machine

    private struct Contention: Hashable {
        var kernel: Calibration.Kernel
        var variant: String
    }

    /// Fits every kernel of one device and one library in `measurements`; of several, those with the most rows.
    /// - Throws: `CalibrationError` where there is nothing to fit.
    public init(_ measurements: [Measurement], device: String? = nil) throws(CalibrationError) {
        try self.init(measurements, device: device, machine: Machine(processor: ""))
    }

    /// - Parameter machine: whose caches decide between warm and rotated timings
    init(_ measurements: [Measurement], device: String?, machine: Machine) throws(CalibrationError) {
        let own = measurements.filter { device == nil || $0.key.device == device }
        var counts: [[String]: Int] = [:]
        // Links carry the library of the calibration too; what has no library (imported rows) goes with any.
        for row in own { counts[[row.key.device, row.conditions.library], default: 0] += 1 }
        guard let most = counts.max(by: { ($0.value, $1.key.joined()) < ($1.value, $0.key.joined()) })?.key else {
            let known = Set(measurements.map(\.key.device)).sorted().joined(separator: ", ")
            throw CalibrationError(
                "nothing was measured on \(device ?? "any device")\(known.isEmpty ? "" : "; the measurements are of \(known)")")
        }
        (self.device, library) = (most[0], most[1])
        self.machine = machine
        let rows = own.filter { $0.key.device == most[0] && $0.conditions.library == most[1] }
        var groups: [CurveKey: [Measurement]] = [:]
        for row in rows where !row.key.variant.hasSuffix(Residency.contended.rawValue) { groups[CurveKey(row), default: []].append(row) }
        var (curves, remarks): ([CurveKey: KernelCurve], [String]) = ([:], [])
        for (key, points) in groups.sorted(by: { $0.key.description < $1.key.description }) {
            do throws(CalibrationError) { curves[key] = try KernelCurve(points, units: nil) } catch { remarks.append(error.message) }
        }
        guard !curves.isEmpty else { throw CalibrationError("no kernel can be fitted: \(remarks.joined(separator: "; "))") }
        (self.curves, self.remarks) = (curves, remarks)
        contention = Self.contention(rows)
    }

    /// - Throws: `MeasurementFault` where the file cannot be read, with file, line and column.
    public static func read(path: String, device: String? = nil) throws -> KernelTimes {
        try KernelTimes(MeasurementFile.read(path: path).measurements, device: device)
    }

    // MARK: Calls

    /// Seconds of a call on one core that has the machine to itself.
    /// - Parameter footprint: bytes that are touched before the call's operands are touched again (a training step's working set): up to the
    ///   second cache they are warm, from the last cache on they come from memory, between the two it goes by the logarithm.
    public func estimate(_ call: KernelCall, footprint: Double = .infinity) -> Estimate {
        if call.elements == 0 { return Estimate(seconds: 0, error: 0, evidence: .formula) }
        let warm = measured(call, .warm)
        let cold = measured(call, .rotated)
        switch (warm, cold) {
        case (let warm?, let cold?):
            let share = coldShare(max(footprint, call.bytes))
            // What lies beyond its hull knows less than its neighbour.
            if warm.evidence == .formula, cold.evidence != .formula { return cold }
            if cold.evidence == .formula, warm.evidence != .formula { return warm }
            return Estimate(
                seconds: warm.seconds * pow(cold.seconds / warm.seconds, share),
                error: (1 - share) * warm.error + share * cold.error, evidence: share < 0.5 ? warm.evidence : cold.evidence)
        case (let one?, nil), (nil, let one?): return one
        case (nil, nil): return guess(call)
        }
    }

    private func coldShare(_ footprint: Double) -> Double {
        guard footprint > machine.secondCache else { return 0 }
        guard footprint < machine.lastCache else { return 1 }
        return log(footprint / machine.secondCache) / log(machine.lastCache / machine.secondCache)
    }

    private func curve(_ key: Measurement.Key) -> KernelCurve? {
        var row = Measurement(key, seconds: 1, source: "")
        row.conditions.library = library
        return curves[CurveKey(row)]
    }

    private func measured(_ call: KernelCall, _ residency: Residency) -> Estimate? {
        let key = Measurement.Key(call, residency, device: device)
        return curve(key).flatMap { try? $0.estimate(key.shape) }
    }

    /// A kernel that was not measured: the copy's bytes and the product's work per second, or where those lack, a slow core's.
    private func guess(_ call: KernelCall) -> Estimate {
        let bytes = max(4, call.bytes)
        var seconds = CalibrationShapes.expectedSeconds(call)
        if let copy = try? KernelCall(.copy, [max(1, Int(bytes / 8))]), let moved = measured(copy, .rotated) { seconds = moved.seconds }
        return Estimate(seconds: seconds, error: 0.5, evidence: .formula)
    }

    /// Seconds of encoding or decoding; nil where the codec was not measured.
    /// - Parameters:
    ///   - codec: its name, as `GradientCodec.name` gives it
    ///   - bytes: of the gradient and of its message
    public func codec(_ codec: String, encodes: Bool, bytes: Double) -> Estimate? {
        let key = Measurement.Key(
            .codec, variant: "\(codec) \(encodes ? "encode" : "decode")", device: device, dtype: .fp32,
            shape: .memory(bytes: max(1, bytes), row: 0))
        return curve(key).flatMap { try? $0.estimate(key.shape) }
    }

    /// Which way messages go between two processes of this machine.
    public enum Link: Sendable { case loopbackSocket, sharedMemory }

    /// Seconds of a message from one process to another of this machine; nil where the link was not measured.
    public func message(bytes: Double, over link: Link) -> Estimate? {
        let kind: LinkOrder.Kind = link == .loopbackSocket ? .socket : .memory
        let key = LinkMeasurement.key(kind, bytes: max(1, Int(bytes)), device: device)
        return curve(key).flatMap { try? $0.estimate(key.shape) }
    }

    // MARK: Two cores

    /// How many times longer a call lasts while another core makes the same call: the mean over the measured sizes of its class, at least 1.
    /// A class that was not measured counts as the copy.
    public func contention(_ call: KernelCall) -> Double {
        let key = Measurement.Key(call, .rotated, device: device)
        for candidate in [Contention(kernel: key.kernel, variant: key.variant), Contention(kernel: key.kernel, variant: "")] {
            if let factor = contention[candidate] { return factor }
        }
        return contention[Contention(kernel: .copy, variant: "")] ?? 1
    }

    /// Geometric means over sizes of contended over warm seconds, and of a kind's variants where one of them is asked for that was not measured.
    private static func contention(_ rows: [Measurement]) -> [Contention: Double] {
        var alone: [Measurement.Key: Double] = [:]
        for row in rows { alone[row.key] = row.seconds }
        var logs: [Contention: [Double]] = [:]
        for row in rows.sorted(by: { $0.key.shape.text < $1.key.shape.text }) where row.key.variant.hasSuffix(Residency.contended.rawValue)
        {
            var key = row.key
            var words = key.variant.split(separator: " ").dropLast()
            let variant = words.joined(separator: " ")
            words.append(Substring(Residency.warm.rawValue))
            key.variant = words.joined(separator: " ")
            guard let seconds = alone[key] else { continue }
            let value = log(row.seconds / seconds)
            logs[Contention(kernel: key.kernel, variant: variant), default: []].append(value)
            if !variant.isEmpty { logs[Contention(kernel: key.kernel, variant: ""), default: []].append(value) }
        }
        return logs.mapValues { max(1, exp($0.reduce(0, +) / Double($0.count))) }
    }
}
