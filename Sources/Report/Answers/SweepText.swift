import Quantities
import Studies

extension SweepAnswer {
    /// Header and rows; empty cells where a combination is not possible.
    public var cells: [[String]] {
        let names = keys
        var header = names + ["step_time_s", "tokens_per_s", "samples_per_s", "mfu", "memory_bytes", "fits", "total_usd"]
        let more = ["tokens_per_s_per_gpu", "model_tflops_per_gpu", "usd_per_million_tokens"]
        if scaling != nil { header += ["speedup", "efficiency"] }
        return [header + more + ["reason"]]
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
                if let step = row.report?.result.step, let bill = row.report?.bill {
                    cells += [
                        "\(step.tokensPerSPerGPU)", "\(step.modelTFLOPsPerGPU)", bill.totalUSD > 0 ? "\(bill.usdPerMillionTokens)" : "",
                    ]
                } else {
                    cells += ["", "", ""]
                }
                return cells + [row.reason ?? ""]
            }
    }

    public var text: String {
        if let sensitivity { return sensitivity.text(rows: rows) }
        let names = keys
        let short = names.map { key in key.split(separator: ".").last.map(String.init) ?? key }
        var table = [
            short + ["step s", "samples/s", "tok/s/GPU", "TF/s/GPU", "MFU %", "memory GB", "USD", "USD/M tok"]
                + (scaling == nil ? [] : ["speedup", "efficiency %"])
        ]
        for row in rows {
            var cells = names.map { value(row, $0) }
            if let result = row.report?.result, let bill = row.report?.bill {
                cells += [
                    rounded(result.step.timeS.mean, 4), rounded(result.step.samplesPerS, 2),
                    rounded(result.step.tokensPerSPerGPU, result.step.tokensPerSPerGPU < 100 ? 1 : 0),
                    rounded(result.step.modelTFLOPsPerGPU, 1), rounded(result.step.mfu * 100, 1),
                    rounded(result.memory.peak / 1e9, 1) + (result.memory.fits ? "" : " ✗"),
                    bill.totalUSD > 0 ? rounded(bill.totalUSD, 2) : "-", bill.totalUSD > 0 ? significant(bill.usdPerMillionTokens) : "-",
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
}

extension SweepAnswer {
    public func page(file: String) -> SweepPage {
        var page = SweepPage(title: file, cells: cells, keys: keys.count)
        page.bars = sensitivity?.bars ?? []
        page.response = sensitivity?.response.rawValue ?? ""
        return page
    }
}
