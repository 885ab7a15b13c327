import Quantities

/// What a sweep found, as a value and as a document.
public struct SweepAnswer: Sendable {
    public let rows: [SweepRow]
    public let scaling: SweepScaling?
    /// What matters most; nil where the points are no sample.
    public var sensitivity: SweepSensitivity? = nil

    /// Keys in order of appearance.
    public var keys: [String] {
        var keys: [String] = []
        for row in rows { for entry in row.point where !keys.contains(entry.key) { keys.append(entry.key) } }
        return keys
    }

    public func value(_ row: SweepRow, _ key: String) -> String { row.point.last { $0.key == key }?.value ?? "" }

    /// Throughput over that of the first run with the same other values, and that over the GPUs added.
    public func scale(_ row: SweepRow) -> (speedup: Double, efficiency: Double)? {
        guard scaling != nil, let report = row.report, let first = rows.first(where: { isSibling($0, row) })?.report else { return nil }
        let (mine, base) = (report.result.step, first.result.step)
        let gpus = Double(report.job.cluster.gpus) / Double(first.job.cluster.gpus)
        let speedup = mine.samplesPerS / base.samplesPerS
        return (speedup, speedup / gpus)
    }

    private func isSibling(_ a: SweepRow, _ b: SweepRow) -> Bool {
        guard a.report != nil else { return false }
        return keys.filter { $0 != "cluster.gpus" && $0 != "training.global_batch" }.allSatisfy { value(a, $0) == value(b, $0) }
    }

    public var json: JSONValue {
        let axes = keys.map { key in
            var values: [String] = []
            for row in rows {
                if let value = row.point.last(where: { $0.key == key })?.value, !values.contains(value) { values.append(value) }
            }
            return (key: key, value: JSONValue.array(values.map { .string($0) }))
        }
        let runs = rows.map { row in
            var members: [(key: String, value: JSONValue)] = [
                ("point", .object(row.point.map { (key: $0.key, value: .string($0.value)) })),
                ("result", row.report.map { $0.jsonValue() } ?? .null),
            ]
            if let scale = scale(row) {
                members += [("speedup", .number(scale.speedup)), ("efficiency", .number(scale.efficiency))]
            }
            if let reason = row.reason { members.append(("reason", .string(reason))) }
            return JSONValue.object(members)
        }
        let sampled = sensitivity.map { [(key: "sensitivity", value: $0.json)] } ?? []
        return .object([(key: "axes", value: JSONValue.object(axes)), (key: "runs", value: JSONValue.array(runs))] + sampled)
    }
}
