import Calibration
import Cluster
import Workload

/// How well shapes are predicted that the fit did not see: every fifth shape of each kernel, in order of duration, by the other four fifths.
public struct HeldOut: Sendable {
    public struct Errors: Sendable, Hashable {
        /// Of |predicted / measured - 1|.
        public let median: Double
        public let p90: Double
        public let count: Int

        init?(_ errors: [Double]) {
            let sorted = errors.sorted()
            guard !sorted.isEmpty else { return nil }
            (median, p90, count) = (sorted[sorted.count / 2], sorted[min(sorted.count - 1, sorted.count * 9 / 10)], sorted.count)
        }
    }
    public struct Row: Sendable {
        public let name: String
        /// Nil where nothing could be held out.
        public let errors: Errors?
        /// Median spread of the repeats.
        public let noise: Double?
        /// Shapes.
        public let points: Int
    }

    /// One held-out shape.
    public struct Prediction: Sendable {
        public let name: String
        public let shape: String
        public let predicted: Double
        public let measured: Double
        public var error: Double { abs(predicted / measured - 1) }
    }

    /// Every kernel, in order of its name.
    public let rows: [Row]
    /// Every held-out shape, in the same order.
    public let predictions: [Prediction]
    /// All held-out shapes at once, and those that last at least 20 microseconds.
    public let all: Errors?
    public let long: Errors?
    /// Median spread of the repeats of all shapes.
    public let noise: Double?
    /// Kernels that could not be fitted, with the reason.
    public let remarks: [String]

    /// What held-out errors are judged by (docs/calibrate.md).
    public static let target = (median: 0.04, p90: 0.12)

    /// - Parameter measurements: of one device; contended ones are left out
    public init(_ measurements: [Measurement]) {
        var groups: [CurveKey: [Measurement]] = [:]
        for row in measurements where !row.key.variant.hasSuffix(Residency.contended.rawValue) {
            groups[CurveKey(row), default: []].append(row)
        }
        var rows: [Row] = []
        var (every, long): ([Double], [Double]) = ([], [])
        var remarks: [String] = []
        var predictions: [Prediction] = []
        for (name, points) in groups.map({ ($0.key.description, $0.value) }).sorted(by: { $0.0 < $1.0 }) {
            var errors: [Double] = []
            do throws(CalibrationError) {
                for prediction in try Self.predictions(points, name) {
                    errors.append(prediction.error)
                    if prediction.measured >= 20e-6 { long.append(prediction.error) }
                    predictions.append(prediction)
                }
            } catch { remarks.append(error.message) }
            every += errors
            let shapes = Set(points.map(\.key.shape)).count
            rows.append(Row(name: name, errors: Errors(errors), noise: Self.noise(points), points: shapes))
        }
        (self.rows, self.remarks, noise) = (rows, remarks, Self.noise(measurements))
        self.predictions = predictions
        (all, self.long) = (Errors(every), Errors(long))
    }

    private static func noise(_ points: [Measurement]) -> Double? {
        let spreads = points.compactMap(\.spread).sorted()
        return spreads.isEmpty ? nil : spreads[spreads.count / 2]
    }

    private static func predictions(_ points: [Measurement], _ name: String) throws(CalibrationError) -> [Prediction] {
        let ordered = points.sorted { ($0.seconds, $0.key.shape.text) < ($1.seconds, $1.key.shape.text) }
        // Repeats of a shape belong on the same side.
        var shapes: [KernelShape] = []
        var seen: Set<KernelShape> = []
        for point in ordered where seen.insert(point.key.shape).inserted { shapes.append(point.key.shape) }
        let away = Set(shapes.indices.filter { $0 % 5 == 2 }.map { shapes[$0] })
        let curve = try KernelCurve(ordered.filter { !away.contains($0.key.shape) }, units: nil)
        var predictions: [Prediction] = []
        for point in ordered where away.contains(point.key.shape) {
            predictions.append(
                Prediction(
                    name: name, shape: point.key.shape.text, predicted: try curve.estimate(point.key.shape).seconds, measured: point.seconds
                ))
        }
        return predictions
    }
}
