/// Proposes where to look next, from what was found so far (Bergstra, Bardenet, Bengio, Kegl, NeurIPS 2011): the best `share` of the trials, at most
/// 25, and all others each give a density, parameter by parameter; of some draws from the first the one with the largest ratio of the two is taken.
///
/// Densities are mixtures of a uniform prior and a normal around each trial, as wide as the farther of its neighbours; choices are counted.
public struct TreeParzenEstimator: Sendable {
    public let space: TuningSpace
    /// Trials drawn uniformly before any model.
    public let startup: Int
    public let share: Double
    public let candidates: Int
    public private(set) var trials: [(point: [Double], loss: Double)] = []
    private var draws: SeededDraws

    /// - Throws: `TrainingError` for a share outside (0, 1), or less than one trial or candidate.
    public init(
        _ space: TuningSpace, startup: Int = 10, share: Double = 0.25, candidates: Int = 24, seed: UInt64
    ) throws(TrainingError) {
        guard share > 0, share < 1, startup >= 1, candidates >= 1 else {
            throw TrainingError(
                "\(startup) first trials, the best \(share), \(candidates) candidates: at least one each, and a share within (0, 1)")
        }
        self.space = space
        self.startup = startup
        self.share = share
        self.candidates = candidates
        draws = SeededDraws(seed: seed)
    }

    /// Takes note of a trial's loss; one that is not finite counts as the worst.
    public mutating func record(_ point: [Double], loss: Double) { trials.append((point, loss.isNaN ? .infinity : loss)) }

    /// The next point [parameters], coordinates from 0 to 1.
    public mutating func propose() -> [Double] {
        guard trials.count >= startup else { return space.parameters.map { _ in draws.unit() } }
        let order = trials.indices.sorted { (trials[$0].loss, $0) < (trials[$1].loss, $1) }
        let best = min(25, Int((share * Double(trials.count)).rounded(.up)))
        return space.parameters.indices.map { index in
            let good = Density(order.prefix(best).map { trials[$0].point[index] }, space.parameters[index].range)
            let bad = Density(order.dropFirst(best).map { trials[$0].point[index] }, space.parameters[index].range)
            var chosen = (x: 0.5, ratio: -Double.infinity)
            for _ in 0..<candidates {
                let x = good.draw(&draws)
                let ratio = good.logarithm(at: x) - bad.logarithm(at: x)
                if ratio > chosen.ratio { chosen = (x, ratio) }
            }
            return chosen.x
        }
    }
}

/// One parameter's density over [0, 1].
private struct Density {
    private var centres: [Double]
    private var widths: [Double]
    private let bins: Int?

    init(_ points: [Double], _ range: TuningSpace.Range) {
        centres = points.sorted()
        if case .choice(let count) = range { bins = count } else { bins = nil }
        let least = 1 / Double(min(100, points.count + 2))
        widths = []
        for i in centres.indices {
            let left = i > 0 ? centres[i] - centres[i - 1] : centres[i]
            let right = i + 1 < centres.count ? centres[i + 1] - centres[i] : 1 - centres[i]
            widths.append(min(1, max(left, right, least)))
        }
    }

    func draw(_ draws: inout SeededDraws) -> Double {
        let which = Int(draws.next() % UInt64(centres.count + 1))
        guard which < centres.count else { return draws.unit() }
        if bins != nil { return centres[which] }
        for _ in 0..<100 {
            let x = centres[which] + widths[which] * draws.normal()
            if (0...1).contains(x) { return x }
        }
        return centres[which]
    }

    func logarithm(at x: Double) -> Double {
        var sum = 1.0
        for (centre, width) in zip(centres, widths) {
            if let bins {
                sum += bin(centre, bins) == bin(x, bins) ? Double(bins) : 0
            } else {
                let z = (x - centre) / width
                sum += naturalExponential(-0.5 * z * z) / (width * 2.5066282746310002)  // sqrt(2 pi)
            }
        }
        return naturalLogarithm(sum / Double(centres.count + 1))
    }
}
