/// Sends each token to its best `active` of `experts`, and keeps the experts' loads even.
public struct ExpertRouter: Sendable {
    /// How loads are kept even.
    public enum Balancing: Sendable, Equatable {
        case none
        /// Loss coefficient x experts x sum of (share of assignments x mean probability) (Switch Transformer, arXiv:2101.03961).
        case auxiliaryLoss(coefficient: Double)
        /// A bias, used for the choice only, rises by `speed` for an underloaded and falls for an overloaded expert (arXiv:2408.15664).
        case bias(speed: Double)
    }
    /// Experts, and how many of them a token goes to.
    public let experts: Int
    public let active: Int
    /// An expert takes at most this times an even share of the assignments; nil for any number.
    public let capacityFactor: Double?
    public let balancing: Balancing
    /// [experts], all zero unless balancing by bias.
    public private(set) var bias: [Double]

    /// - Throws: `TrainingError` unless 1 <= active <= experts and the capacity factor is positive.
    public init(experts: Int, active: Int, capacityFactor: Double? = nil, balancing: Balancing = .none) throws(TrainingError) {
        guard active >= 1, active <= experts, capacityFactor ?? 1 > 0 else {
            throw TrainingError(
                "\(active) of \(experts) experts at capacity \(capacityFactor ?? 1): at least 1 and at most all must be active")
        }
        self.experts = experts
        self.active = active
        self.capacityFactor = capacityFactor
        self.balancing = balancing
        bias = [Double](repeating: 0, count: experts)
    }

    /// Where tokens go.
    public struct Routing: Sendable, Equatable {
        /// Experts of each token, best first [tokens][<= active]; shorter where an expert was full.
        public var experts: [[Int]]
        /// Their weights [tokens][<= active]: probabilities, divided by their sum over the chosen `active`.
        public var weights: [[Double]]
        /// Softmax of the logits [tokens][experts].
        public var probabilities: [[Double]]
        /// Tokens that each expert received [experts], and assignments dropped because an expert was full.
        public var load: [Int]
        public var dropped: Int
        public var balanceLoss: Double
        /// What each token chose, before any was dropped [tokens][active].
        var chosen: [[Int]]
    }

    /// Most assignments an expert takes of `tokens`.
    public func capacity(tokens: Int) -> Int {
        capacityFactor.map { Int(($0 * Double(tokens * active) / Double(experts)).rounded(.up)) } ?? tokens
    }

    /// Routes by `logits` [tokens][experts]. Tokens are served in order, the earlier expert first among equals.
    /// - Throws: `TrainingError` for a row of another length or a logit that is not finite.
    public func route(_ logits: [[Double]]) throws(TrainingError) -> Routing {
        for (token, row) in logits.enumerated() where row.count != experts || !row.allSatisfy(\.isFinite) {
            throw TrainingError("token \(token) has \(row.count) logits, not \(experts) finite ones")
        }
        var routing = Routing(
            experts: [], weights: [], probabilities: logits.map(softmax), load: [Int](repeating: 0, count: experts), dropped: 0,
            balanceLoss: 0, chosen: [])
        let limit = capacity(tokens: logits.count)
        for (token, row) in logits.enumerated() {
            let order = row.indices.sorted { (row[$1] + bias[$1], $0) < (row[$0] + bias[$0], $1) }
            let chosen = Array(order.prefix(active))
            let sum = chosen.reduce(0) { $0 + routing.probabilities[token][$1] }
            let kept = chosen.filter { routing.load[$0] < limit }
            for expert in kept { routing.load[expert] += 1 }
            routing.dropped += active - kept.count
            routing.chosen.append(chosen)
            routing.experts.append(kept)
            routing.weights.append(kept.map { routing.probabilities[token][$0] / sum })
        }
        routing.balanceLoss = auxiliary(routing)
        return routing
    }

    private func shares(_ routing: Routing) -> [Double] {
        var counts = [Double](repeating: 0, count: experts)
        for chosen in routing.chosen { for expert in chosen { counts[expert] += 1 } }
        return counts.map { $0 / Double(max(1, routing.chosen.count * active)) }
    }

    private func auxiliary(_ routing: Routing) -> Double {
        guard case .auxiliaryLoss(let coefficient) = balancing, !routing.chosen.isEmpty else { return 0 }
        let mean = (0..<experts).map { expert in routing.probabilities.reduce(0) { $0 + $1[expert] } / Double(routing.probabilities.count) }
        return coefficient * Double(experts) * zip(shares(routing), mean).reduce(0) { $0 + $1.0 * $1.1 }
    }

    /// The loss's gradient by the logits [tokens][experts], from its gradient by the weights [tokens][<= active]; the balance loss is included.
    /// The choice itself, and so the shares, are constants.
    public func logitGradients(_ routing: Routing, weightGradients: [[Double]]) -> [[Double]] {
        let shares = shares(routing)
        return routing.probabilities.indices.map { token in
            let p = routing.probabilities[token]
            var byProbability = [Double](repeating: 0, count: experts)
            if case .auxiliaryLoss(let coefficient) = balancing {
                let scale = coefficient * Double(experts) / Double(routing.probabilities.count)
                for expert in 0..<experts { byProbability[expert] = scale * shares[expert] }
            }
            // w_i = p_i / s over the chosen: dw_i / dp_j = (i == j) / s - p_i / s^2.
            let chosen = routing.chosen[token]
            let sum = chosen.reduce(0) { $0 + p[$1] }
            let dot = zip(routing.weights[token], weightGradients[token]).reduce(0) { $0 + $1.0 * $1.1 }
            for (slot, expert) in routing.experts[token].enumerated() { byProbability[expert] += weightGradients[token][slot] / sum }
            for expert in chosen { byProbability[expert] -= dot / sum }
            let mean = zip(p, byProbability).reduce(0) { $0 + $1.0 * $1.1 }
            return zip(p, byProbability).map { $0 * ($1 - mean) }
        }
    }

    /// After a step: moves the biases towards even loads (Algorithm 1 of arXiv:2408.15664). Nothing for other methods.
    public mutating func rebalance(_ routing: Routing) {
        guard case .bias(let speed) = balancing else { return }
        let even = 1 / Double(experts)
        for (expert, share) in shares(routing).enumerated() where share != even { bias[expert] += share < even ? speed : -speed }
    }

    /// The largest load over the even one: 1 is perfect, and an all-to-all waits for it.
    public static func imbalance(_ load: [Int]) -> Double {
        let total = load.reduce(0, +)
        return total == 0 ? 1 : Double((load.max() ?? 0) * load.count) / Double(total)
    }
}

/// Softmax without overflow.
func softmax(_ x: [Double]) -> [Double] {
    let top = x.max() ?? 0
    let powers = x.map { naturalExponential($0 - top) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
}
