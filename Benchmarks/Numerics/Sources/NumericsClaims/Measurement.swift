/// A value over several seeds, with the 95% confidence interval of its mean (Student's t).
struct Measurement {
    let values: [Double]
    var mean: Double { values.reduce(0, +) / Double(values.count) }
    var halfWidth: Double {
        guard values.count > 1 else { return 0 }
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)
        // t of 0.975 at 1 ... 9 degrees of freedom.
        let t = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262]
        return t[min(values.count - 2, t.count - 1)] * (variance / Double(values.count)).squareRoot()
    }
    /// Values that no seed changes are exact.
    var description: String { values.count > 1 && halfWidth > 0 ? "\(round4(mean)) ± \(round4(halfWidth))" : "\(round4(mean)), exact" }
}

func round4(_ x: Double) -> Double { (x * 1e4).rounded() / 1e4 }

enum Claim {
    /// The claim is that the value is at most, or at least, this.
    case atMost(Double)
    case atLeast(Double)

    /// Settled only where the whole interval lies on one side.
    func verdict(_ m: Measurement) -> String {
        let (low, high) = (m.mean - m.halfWidth, m.mean + m.halfWidth)
        switch self {
        case .atMost(let bound): return high <= bound ? "holds" : low > bound ? "does not hold" : "not settled"
        case .atLeast(let bound): return low >= bound ? "holds" : high < bound ? "does not hold" : "not settled"
        }
    }
    var text: String {
        switch self {
        case .atMost(let bound): "<= \(bound)"
        case .atLeast(let bound): ">= \(bound)"
        }
    }
}

/// What was measured, in order, for the table at the end.
struct Findings {
    private struct Row {
        let id: String
        let what: String
        let claim: Claim
        let measured: Measurement
        var verdict: String { claim.verdict(measured) }
    }
    private var rows: [Row] = []

    mutating func report(_ id: String, _ what: String, _ claim: Claim, _ values: [Double]) {
        rows.append(Row(id: id, what: what, claim: claim, measured: Measurement(values: values)))
    }

    /// A claim of several parts or conditions holds where all do, fails where none does, and else holds in part: the table says in which.
    private func verdict(_ rows: [Row]) -> String {
        let verdicts = Set(rows.map(\.verdict))
        if verdicts.count == 1, let only = verdicts.first { return only }
        if verdicts == ["does not hold", "not settled"] { return "does not hold (a part is not settled)" }
        return verdicts == ["holds", "not settled"] ? "holds in part; the rest is not settled" : "partly"
    }

    /// Markdown: each claim with its verdict, then every measurement.
    var table: String {
        var lines = ["| claim | verdict | what decides |", "|---|---|---|"]
        for id in Set(rows.map(\.id)).sorted() {
            let own = rows.filter { $0.id == id }
            let parts = ["holds", "does not hold", "not settled"].compactMap { verdict -> String? in
                let names = own.filter { $0.verdict == verdict }.map(\.what)
                return names.isEmpty || names.count == own.count ? nil : "\(verdict): \(names.joined(separator: "; "))"
            }
            lines.append("| \(id) | \(verdict(own)) | \(parts.isEmpty ? "all measurements agree" : parts.joined(separator: ". ")) |")
        }
        lines += ["", "| claim | measured | claimed | mean of the seeds, 95% interval | verdict |", "|---|---|---|---|---|"]
        lines += rows.map { "| \($0.id) | \($0.what) | \($0.claim.text) | \($0.measured.description) | \($0.verdict) |" }
        return lines.joined(separator: "\n")
    }
}
