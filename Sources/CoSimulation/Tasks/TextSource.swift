import Training

/// A text as numbers of its different bytes, and what the simplest models make of it.
public struct TextSource: Sendable {
    /// The different bytes, ascending; a token is a place in this list.
    public let bytes: [UInt8]
    /// Tokens of the first nine tenths, and of the rest.
    public let training: [Int]
    public let heldOut: [Int]

    public init(_ text: [UInt8]) throws(TrainingError) {
        guard text.count >= 1000 else { throw TrainingError("a text of \(text.count) bytes: write at least 1,000") }
        bytes = Set(text).sorted()
        var number = [Int](repeating: 0, count: 256)
        for (index, byte) in bytes.enumerated() { number[Int(byte)] = index }
        let cut = text.count * 9 / 10
        training = text[..<cut].map { number[Int($0)] }
        heldOut = text[cut...].map { number[Int($0)] }
    }

    public var vocabulary: Int { bytes.count }

    /// Nats a token of the held-out part for a model that knows only the last token, with counts of the training part and a half added to each.
    public var bigramLoss: Double {
        let n = vocabulary
        var counts = [Double](repeating: 0.5, count: n * n)
        for (now, next) in zip(training, training.dropFirst()) { counts[now * n + next] += 1 }
        var sum = 0.0
        for (now, next) in zip(heldOut, heldOut.dropFirst()) {
            let row = counts[now * n..<(now + 1) * n].reduce(0, +)
            sum -= naturalLogarithm(counts[now * n + next] / row)
        }
        return sum / Double(max(1, heldOut.count - 1))
    }
}
