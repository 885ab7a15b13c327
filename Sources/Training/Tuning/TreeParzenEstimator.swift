/// Proposes where to look next, from what was found so far (Bergstra, Bardenet, Bengio, Kegl, NeurIPS 2011): the best `share` of the trials, at most
/// 25, and all others each give a density; of some draws from the first the one with the largest ratio of the two is taken.
///
/// Densities are over all parameters at once (as in BOHB, arXiv:1807.01774): a uniform prior and around each trial a product of normals whose
/// widths follow Scott's rule, at least `leastWidth`, so that the search does not settle on its first find; of a choice four fifths of the weight
/// lie on the trial's own.
public struct TreeParzenEstimator: Sendable {
    /// What may be chosen.
    public let space: TuningSpace
    /// Trials drawn uniformly before any model.
    public let startup: Int
    public let share: Double
    public let candidates: Int
    public private(set) var trials: [(point: [Double], loss: Double)] = []
    private var draws: SeededDraws
    static let leastWidth = 0.1

    /// - Throws: `TrainingError` for a share outside (0, 1), or less than one trial or candidate.
    public init(
        _ space: TuningSpace, startup: Int = 10, share: Double = 0.15, candidates: Int = 24, seed: UInt64
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
        let best = max(1, min(25, Int((share * Double(trials.count)).rounded(.up))))
        let good = Density(order.prefix(best).map { trials[$0].point }, space)
        let bad = Density(order.dropFirst(best).map { trials[$0].point }, space)
        var chosen = (point: [Double](), ratio: -Double.infinity)
        for _ in 0..<candidates {
            let point = good.draw(&draws)
            let ratio = good.logarithm(at: point) - bad.logarithm(at: point)
            if chosen.point.isEmpty || ratio > chosen.ratio { chosen = (point, ratio) }
        }
        return chosen.point
    }
}

/// A density over the unit cube, made of trials [trials][parameters].
private struct Density {
    private let centres: [[Double]]
    private var widths: [Double] = []
    /// Of a choice, how many there are [parameters].
    private let bins: [Int?]

    init(_ points: [[Double]], _ space: TuningSpace) {
        centres = points
        bins = space.parameters.map { if case .choice(let count) = $0.range { count } else { nil } }
        let n = Double(max(1, points.count))
        // Scott's rule: n^(-1 / (d + 4)) standard deviations.
        let factor = exponential(-1 / Double(bins.count + 4), of: n)
        widths = bins.indices.map { j in
            let mean = points.reduce(0) { $0 + $1[j] } / n
            let square = points.reduce(0) { $0 + ($1[j] - mean) * ($1[j] - mean) }
            return max(TreeParzenEstimator.leastWidth, factor * (square / max(1, n - 1)).squareRoot())
        }
    }

    func draw(_ draws: inout SeededDraws) -> [Double] {
        let which = Int(draws.next() % UInt64(centres.count + 1))
        guard which < centres.count else { return bins.map { _ in draws.unit() } }
        return bins.indices.map { j in
            let centre = centres[which][j]
            if bins[j] != nil { return draws.unit() < 0.8 ? centre : draws.unit() }
            for _ in 0..<20 {
                let x = centre + widths[j] * draws.normal()
                if (0...1).contains(x) { return x }
            }
            return centre
        }
    }

    func logarithm(at point: [Double]) -> Double {
        var sum = 1.0
        for centre in centres {
            var product = 1.0
            for j in bins.indices {
                if let count = bins[j] {
                    let isOwn = bin(centre[j], count) == bin(point[j], count)
                    product *= count == 1 ? 1 : Double(count) * (isOwn ? 0.8 : 0.2 / Double(count - 1))
                } else {
                    let z = (point[j] - centre[j]) / widths[j]
                    product *= naturalExponential(-0.5 * z * z) / (widths[j] * 2.5066282746310002)  // sqrt(2 pi)
                }
            }
            sum += product
        }
        return naturalLogarithm(sum / Double(centres.count + 1))
    }
}
