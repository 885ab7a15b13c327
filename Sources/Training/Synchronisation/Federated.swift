/// Federated averaging (McMahan et al., arXiv:1602.05629), with FedProx's pull to the shared model (Li et al., arXiv:1812.06127).
public struct FederatedAveraging<Scalar: TrainingScalar>: Sendable {
    /// The shared model [elements].
    public private(set) var model: [Scalar]
    public let clientsPerRound: Int
    /// FedProx's mu; 0 is FedAvg.
    public let proximal: Double
    public private(set) var round = 0
    private let seed: UInt64

    /// - Throws: `TrainingError` for less than one client a round or a negative mu.
    public init(model: [Scalar], clientsPerRound: Int, proximal: Double = 0, seed: UInt64 = 0) throws(TrainingError) {
        guard clientsPerRound >= 1, proximal >= 0 else {
            throw TrainingError("\(clientsPerRound) clients a round with mu \(proximal): there must be at least one, and mu zero or more")
        }
        self.model = model
        self.clientsPerRound = clientsPerRound
        self.proximal = proximal
        self.seed = seed
    }

    /// Goes on from a saved model [elements] after so many rounds.
    public mutating func restore(model: [Scalar], round: Int) {
        self.model = model
        self.round = round
    }

    /// The clients of the coming round among `count`, ascending, drawn without replacement; the same for the same seed and round.
    public func clients(of count: Int) -> [Int] {
        let wanted = min(clientsPerRound, count)
        var chosen: [Int] = []
        var state = seed &+ UInt64(truncatingIfNeeded: round) &* 0xD134_2543_DE82_EF95
        for candidate in 0..<max(0, count) where chosen.count < wanted {
            // Selection sampling: candidate i is taken with probability (wanted - chosen) / (count - i).
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            let unit = Double((z ^ (z >> 31)) >> 11) * 0x1p-53
            if unit * Double(count - candidate) < Double(wanted - chosen.count) { chosen.append(candidate) }
        }
        return chosen
    }

    /// The gradient [elements] that a client at `local` [elements] follows: its own plus mu (local - model).
    public func localGradient(_ gradient: [Scalar], at local: [Scalar]) -> [Scalar] {
        guard proximal > 0 else { return gradient }
        var pulled = gradient
        Scalar.axpy(&pulled, local, Scalar(proximal))
        Scalar.axpy(&pulled, model, Scalar(-proximal))
        return pulled
    }

    /// The clients' models [clients][elements], weighted by their samples [clients], become the shared model.
    /// - Throws: `TrainingError` where lengths differ or there are no samples.
    public mutating func aggregate(_ models: [[Scalar]], samples: [Int]) throws(TrainingError) {
        let total = samples.reduce(0, +)
        guard models.count == samples.count, total > 0, samples.allSatisfy({ $0 >= 0 }), models.allSatisfy({ $0.count == model.count })
        else {
            throw TrainingError("\(models.count) models with samples \(samples) cannot be averaged into \(model.count) parameters")
        }
        var sum = [Scalar](repeating: 0, count: model.count)
        for (local, count) in zip(models, samples) { Scalar.axpy(&sum, local, Scalar(Double(count) / Double(total))) }
        model = sum
        round += 1
    }
}
