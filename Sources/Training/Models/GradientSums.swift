import Kernels

/// Where a backward pass leaves the gradients by the parameters: added to at once, or kept for later as far as nothing else waits for them.
struct GradientSums<B: Backend>: Sendable where B.Scalar: TrainingScalar {
    /// [tensors][elements]
    var sums: [[B.Scalar]]
    /// Nil: everything is added at once.
    private(set) var postponed: PostponedGradients<B>?

    init(_ sums: [[B.Scalar]], postpones: Bool = false) {
        self.sums = sums
        postponed = postpones ? PostponedGradients() : nil
    }

    mutating func add(_ part: PostponedGradients<B>.Part, on backend: B) {
        if postponed == nil { part.add(to: &sums, on: backend) } else { postponed?.parts.append(part) }
    }
}

/// The gradients by a stage's weights that its backward pass left for later: W of the zero-bubble schedules, apart from B, the gradient by the stage's
/// input (Qi et al., arXiv:2401.10241 section 2). Holds what the products need: each layer's input and the gradient by its output. The gains and
/// biases of norms are not among them: one pass over the rows makes their gradients together with that by the norm's input.
public struct PostponedGradients<B: Backend>: Sendable where B.Scalar: TrainingScalar {
    enum Part: Sendable {
        /// dy^T x to the layer's weight and the column sums of dy to its bias.
        case linear(dy: [B.Scalar], x: [B.Scalar], Dense.LinearLayer)
        /// Rows of dy to those of the table that were read.
        case rows(dy: [B.Scalar], [Int], width: Int, table: Int)
        case columnSums(dy: [B.Scalar], Int)

        func add(to gradients: inout [[B.Scalar]], on backend: B) {
            switch self {
            case .linear(let dy, let x, let layer):
                backend.addLinearWeightGradient(dy, x: x, out: layer.out, width: layer.width, into: &gradients[layer.weight])
                if let bias = layer.bias { backend.addColumnSums(dy, into: &gradients[bias]) }
            case .rows(let dy, let indices, let width, let table):
                backend.scatterAdd(dy, indices, width: width, into: &gradients[table])
            case .columnSums(let dy, let tensor): backend.addColumnSums(dy, into: &gradients[tensor])
            }
        }
    }
    var parts: [Part] = []

    /// Adds what was left, in the order in which the whole backward pass would have.
    /// - Parameter gradients: those that were given to the backward pass.
    public func add(to gradients: inout [[B.Scalar]], on backend: B) { for part in parts { part.add(to: &gradients, on: backend) } }
}
