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
    var description: String { "\(round4(mean)) ± \(round4(halfWidth))" }
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

func report(_ id: String, _ what: String, _ claim: Claim, _ values: [Double]) {
    let measured = Measurement(values: values)
    print("\(id) | \(what) | claimed \(claim.text) | \(measured.description) | \(claim.verdict(measured))")
}
