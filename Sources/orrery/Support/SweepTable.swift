import Planner
import Report
import Scenario

/// What a sweep found, as text, table and document.
struct SweepTable {
    let rows: [SweepRow]
    let scaling: Sweep.Scaling?
    /// What matters most; nil where the points are no sample.
    var sensitivity: SweepSensitivity? = nil

    /// Keys in order of appearance.
    private var keys: [String] {
        var keys: [String] = []
        for row in rows { for entry in row.point where !keys.contains(entry.key) { keys.append(entry.key) } }
        return keys
    }

    private func value(_ row: SweepRow, _ key: String) -> String { row.point.last { $0.key == key }?.value ?? "" }

    /// Throughput over that of the first run with the same other values that fits, and that over the GPUs added.
    private func scale(_ row: SweepRow) -> (speedup: Double, efficiency: Double)? {
        guard scaling != nil, let report = row.report else { return nil }
        let siblings = rows.filter { isSibling($0, row) }
        // A run that does not fit is no base; where none fits, the first is as good as any.
        guard let first = (siblings.first { $0.report?.valid == true } ?? siblings.first)?.report else { return nil }
        let (mine, base) = (report.result.step, first.result.step)
        let gpus = Double(report.job.cluster.gpus) / Double(first.job.cluster.gpus)
        let speedup = mine.samplesPerS / base.samplesPerS
        return (speedup, speedup / gpus)
    }

    private func isSibling(_ a: SweepRow, _ b: SweepRow) -> Bool {
        guard a.report != nil else { return false }
        return keys.filter { $0 != "cluster.gpus" && $0 != "training.global_batch" }.allSatisfy { value(a, $0) == value(b, $0) }
    }

    /// Header and rows; empty cells where a combination is not possible.
    var cells: [[String]] {
        let names = keys
        var header = names + ["step_time_s", "tokens_per_s", "samples_per_s", "mfu", "memory_bytes", "fits", "total_usd"]
        if scaling != nil { header += ["speedup", "efficiency"] }
        return [header + ["reason"]]
            + rows.map { row in
                var cells = names.map { value(row, $0) }
                if let result = row.report?.result, let bill = row.report?.bill {
                    let step = result.step
                    cells += [step.timeS.mean, step.tokensPerS, step.samplesPerS, step.mfu, result.memory.peak].map { "\($0)" }
                    cells += ["\(result.memory.fits)", bill.totalUSD > 0 ? "\(bill.totalUSD)" : ""]
                } else {
                    cells += Array(repeating: "", count: 7)
                }
                if scaling != nil { cells += scale(row).map { ["\($0.speedup)", "\($0.efficiency)"] } ?? ["", ""] }
                return cells + [row.reason ?? ""]
            }
    }

    var text: String {
        if let sensitivity { return sensitivity.text(rows: rows) }
        let names = keys
        let short = names.map { key in key.split(separator: ".").last.map(String.init) ?? key }
        var table = [short + ["step s", "samples/s", "MFU %", "memory GB", "USD"] + (scaling == nil ? [] : ["speedup", "efficiency %"])]
        for row in rows {
            var cells = names.map { value(row, $0) }
            if let result = row.report?.result, let bill = row.report?.bill {
                cells += [
                    rounded(result.step.timeS.mean, 4), rounded(result.step.samplesPerS, 2), rounded(result.step.mfu * 100, 1),
                    rounded(result.memory.peak / 1e9, 1) + (result.memory.fits ? "" : " ✗"),
                    bill.totalUSD > 0 ? rounded(bill.totalUSD, 2) : "-",
                ]
                if scaling != nil { cells += scale(row).map { [rounded($0.speedup, 2), rounded($0.efficiency * 100, 1)] } ?? ["-", "-"] }
            }
            table.append(cells)
        }
        let widths = table[0].indices.map { column in table.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        var lines: [String] = []
        for (index, cells) in table.enumerated() {
            var line = " "
            for (cell, width) in zip(cells, widths) { line += " " + String(repeating: " ", count: width - cell.count) + cell + " " }
            while line.last == " " { line.removeLast() }
            if index > 0, let reason = rows[index - 1].reason { line += "  not possible: \(reason)" }
            lines.append(line)
        }
        if rows.contains(where: { $0.report?.valid == false }) { lines.append("  ✗ needs more memory than a GPU has") }
        return lines.joined(separator: "\n") + "\n"
    }

    var json: JSONValue {
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
