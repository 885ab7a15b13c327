/// A stationary first-order Markov chain over tokens. No model can predict it better than its entropy rate, so that is the exact floor of the
/// loss of a language model, in nats a token.
public struct MarkovSource: Sendable {
    /// Transition probabilities [from][to].
    public let transitions: [[Double]]
    /// The long-run share of each token.
    public let stationary: [Double]
    /// Nats a token: - sum over pairs of share x p ln p.
    public let entropyRate: Double

    /// Transitions proportional to exp(sharpness x normal draw): 0 is uniform, larger is easier to predict.
    /// - Throws: `TrainingError` for less than two tokens.
    public init(vocabulary: Int, sharpness: Double, seed: UInt64) throws(TrainingError) {
        guard vocabulary >= 2 else { throw TrainingError("a vocabulary of \(vocabulary): it takes at least two tokens") }
        var draws = SeededDraws(seed: seed)
        let rows = (0..<vocabulary).map { _ in softmax(draws.normals(vocabulary, deviation: sharpness)) }
        var share = [Double](repeating: 1 / Double(vocabulary), count: vocabulary)
        // All transitions are positive, so the powers converge geometrically.
        for _ in 0..<2000 {
            let last = share
            share = (0..<vocabulary).map { to in (0..<vocabulary).reduce(0) { $0 + last[$1] * rows[$1][to] } }
            if zip(share, last).allSatisfy({ abs($0 - $1) < 1e-16 }) { break }
        }
        transitions = rows
        stationary = share
        entropyRate = -zip(share, rows).reduce(0) { sum, pair in
            sum + pair.0 * pair.1.reduce(0) { $1 > 0 ? $0 + $1 * naturalLogarithm($1) : $0 }
        }
    }

    /// Sequences of `length` tokens with the token after each.
    public func batch(sequences: Int, length: Int, draws: inout SeededDraws) -> GPT.Batch {
        var batch = GPT.Batch(tokens: [], next: [])
        for _ in 0..<sequences {
            var token = draw(stationary, &draws)
            for _ in 0..<length {
                batch.tokens.append(token)
                token = draw(transitions[token], &draws)
                batch.next.append(token)
            }
        }
        return batch
    }

    private func draw(_ shares: [Double], _ draws: inout SeededDraws) -> Int {
        var rest = draws.unit()
        for (token, share) in shares.enumerated() {
            rest -= share
            if rest < 0 { return token }
        }
        return shares.count - 1
    }
}
