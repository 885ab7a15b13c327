import Lifetime
import Quantities
import Studies

/// Samples in Prometheus' text format, version 0.0.4: for each metric its help and type, then a line for each set of labels.
public struct PrometheusText: Sendable {
    public struct Family: Sendable, Hashable {
        public var name: String
        public var unit: String
        public var help: String
        public var isCounter: Bool
        public init(name: String, unit: String, help: String, isCounter: Bool) {
            self.name = name
            self.unit = unit
            self.help = help
            self.isCounter = isCounter
        }
    }
    private var families: [(family: Family, lines: [String])] = []
    private var places: [String: Int] = [:]

    public init() {}

    /// - Parameter labels: names and values; values are escaped here.
    public mutating func add(_ family: Family, _ value: Double, _ labels: [(name: String, value: String)]) {
        let name = Metric.prefix + family.name
        let inside = labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
        let number = value.isNaN ? "NaN" : value.isInfinite ? (value > 0 ? "+Inf" : "-Inf") : "\(value)"
        let line = inside.isEmpty ? "\(name) \(number)" : "\(name){\(inside)} \(number)"
        if let place = places[name] {
            families[place].lines.append(line)
        } else {
            places[name] = families.count
            families.append((family, [line]))
        }
    }

    /// With a final newline, as the format asks.
    public var text: String {
        families.map { family, lines in
            let name = Metric.prefix + family.name
            let help = "\(family.help) (\(family.unit))".replacing("\\", with: "\\\\").replacing("\n", with: " ")
            return (["# HELP \(name) \(help)", "# TYPE \(name) \(family.isCounter ? "counter" : "gauge")"] + lines).joined(separator: "\n")
                + "\n"
        }.joined()
    }

    private static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }
}

extension RunAnswer {
    /// Every metric of the run in Prometheus' text format, labelled with the scenario.
    public func metricsText() -> String {
        var text = PrometheusText()
        for (metric, value) in MetricSource(step: result, job: job, run: run, bill: bill, outcome: outcome).values {
            let family = PrometheusText.Family(name: metric.name, unit: metric.unit, help: metric.help, isCounter: metric.kind == .counter)
            text.add(family, value, [("scenario", scenario)])
        }
        return text.text
    }
}
