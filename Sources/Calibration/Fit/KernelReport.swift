import Cluster
import Workload

/// How well a kernel's shapes are predicted that its fit did not see.
public struct KernelScore: Sendable {
    public struct Errors: Sendable, Hashable {
        public var median: Double
        public var p90: Double
        public var count: Int

        /// - Parameter errors: |predicted / measured - 1|
        init?(_ errors: [Double]) {
            let sorted = errors.sorted()
            guard !sorted.isEmpty else { return nil }
            (median, p90, count) = (sorted[sorted.count / 2], sorted[min(sorted.count - 1, sorted.count * 9 / 10)], sorted.count)
        }
    }

    public let key: CurveKey
    /// Fitted to all points: what a profile holds.
    public let curve: KernelCurve
    /// Of the fifth that is held out: the formula alone and with the residual table, over all shapes and over those of training's size.
    public let formula: Errors?
    public let table: Errors?
    public let formulaTraining: Errors?
    public let tableTraining: Errors?
    /// Median |t / median - 1| among repeats of a shape, or the median spread of repeats: what no model can beat; nil where unknown.
    public let noise: Double?

    /// Fits to four fifths, predicts the fifth; every fifth shape in order of duration, so that short and long ones take part alike.
    /// - Throws: `CalibrationError` where the kernel cannot be fitted.
    init(_ measurements: [Measurement], units: Int?) throws(CalibrationError) {
        curve = try KernelCurve(measurements, units: units)
        key = curve.key
        var shapes: [KernelShape: [Double]] = [:]
        for measurement in measurements { shapes[measurement.key.shape, default: []].append(measurement.seconds) }
        let medians = shapes.map { ($0.key, $0.value.sorted()[$0.value.count / 2]) }
        let ordered = medians.map { (shape: $0.0, seconds: $0.1, text: $0.0.text) }.sorted { ($0.seconds, $0.text) < ($1.seconds, $1.text) }
        let held = ordered.enumerated().filter { $0.offset % 5 == 2 }.map(\.element)
        let away = Set(held.map(\.shape))
        noise = Self.noise(measurements, shapes)
        guard let fitted = try? KernelCurve(measurements.filter { !away.contains($0.key.shape) }, units: units) else {
            (formula, table, formulaTraining, tableTraining) = (nil, nil, nil, nil)
            return
        }
        var (plain, tabled, plainTraining, tabledTraining): ([Double], [Double], [Double], [Double]) = ([], [], [], [])
        // More than these change no digit that is shown.
        for index in ResidualTable.sample(held.count, of: 3000) {
            let (shape, seconds) = (held[index].shape, held[index].seconds)
            let alone = abs(fitted.formulaSeconds(shape) / seconds - 1)
            let full = abs(try fitted.estimate(shape).seconds / seconds - 1)
            plain.append(alone)
            tabled.append(full)
            guard KernelCurve.isTrainingSize(shape) else { continue }
            plainTraining.append(alone)
            tabledTraining.append(full)
        }
        (formula, table) = (Errors(plain), Errors(tabled))
        (formulaTraining, tableTraining) = (Errors(plainTraining), Errors(tabledTraining))
    }

    private static func noise(_ measurements: [Measurement], _ shapes: [KernelShape: [Double]]) -> Double? {
        var differences: [Double] = []
        for times in shapes.values where times.count > 1 {
            let median = times.sorted()[times.count / 2]
            differences += times.map { abs($0 / median - 1) }
        }
        if differences.count < 20 { differences = measurements.compactMap(\.spread) }
        return differences.count < 5 ? nil : differences.sorted()[differences.count / 2]
    }
}

/// All kernels of a set of measurements, fitted and judged.
public struct KernelReport: Sendable {
    public let scores: [KernelScore]
    /// Kernels that could not be fitted, with the reason.
    public let remarks: [String]

    /// - Parameter progress: is told each kernel that is done
    public init(_ measurements: [Measurement], progress: (String) -> Void = { _ in }) {
        var groups: [CurveKey: [Measurement]] = [:]
        for measurement in measurements { groups[CurveKey(measurement), default: []].append(measurement) }
        var units: [String: Int] = [:]
        for device in Set(groups.keys.map(\.device)) { units[device] = (try? Catalogue.accelerator(named: device))?.computeUnits }
        var scores: [KernelScore] = []
        var remarks: [String] = []
        let ordered = groups.map { (name: $0.key.description, key: $0.key, points: $0.value) }.sorted { $0.name < $1.name }
        for group in ordered {
            do throws(CalibrationError) { scores.append(try KernelScore(group.points, units: units[group.key.device])) } catch {
                remarks.append(error.message)
            }
            progress(group.name)
        }
        self.scores = scores
        self.remarks = remarks
    }
}
