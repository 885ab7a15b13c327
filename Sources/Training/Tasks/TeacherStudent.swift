/// Classification by an unseen perceptron: a student of the same or a larger shape can reach every label, so the least error is 0.
/// With `labelNoise` a label is replaced by a uniform draw with that probability, and the least error rate is labelNoise (1 - 1 / classes).
public struct TeacherStudent: Sendable {
    /// The perceptron that gives the labels, and the probability that a label is replaced by a draw.
    public let teacher: MLP
    public let labelNoise: Double
    private let parameters: [Tensor<Double>]

    /// - Throws: `TrainingError` for sizes that are no perceptron's or noise outside [0, 1].
    public init(sizes: [Int], labelNoise: Double = 0, seed: UInt64) throws(TrainingError) {
        guard labelNoise >= 0, labelNoise <= 1 else { throw TrainingError("label noise \(labelNoise): it must be 0 to 1") }
        teacher = try MLP(sizes: sizes, activation: .tanh)
        parameters = teacher.initialParameters(seed: seed)
        self.labelNoise = labelNoise
    }

    /// Error rate that no student can undercut but by chance.
    public var leastError: Double { labelNoise * (1 - 1 / Double(teacher.sizes.last ?? 1)) }

    /// `count` samples of standard normal inputs with the teacher's labels.
    public func batch(_ count: Int, draws: inout SeededDraws) throws(TrainingError) -> MLP.Batch {
        let inputs = draws.normals(count * teacher.sizes[0])
        let scores = try teacher.outputs(parameters, inputs: inputs)
        let classes = scores.count / max(1, count)
        let labels = (0..<count).map { row -> Int in
            if labelNoise > 0, draws.unit() < labelNoise { return Int(draws.next() % UInt64(classes)) }
            return (0..<classes).max { (scores[row * classes + $0], $1) < (scores[row * classes + $1], $0) } ?? 0
        }
        return MLP.Batch(inputs: inputs, labels: labels)
    }
}
