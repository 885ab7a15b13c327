/// Forward and backward passes over row-major batches, shared by the models. Backward functions add to the parameter gradients given.
enum Dense {
    /// y [rows][out] = x [rows][in] w^T + b, with w [out][in].
    static func linear(_ x: [Double], _ w: Tensor<Double>, _ b: [Double]?) -> [Double] {
        let (out, width) = (w.shape[0], w.shape[1])
        let rows = x.count / max(1, width)
        var y = Double.product(x, w.values, [rows, out, width], transposeA: false, transposeB: true)
        if let b { for row in 0..<rows { for j in 0..<out { y[row * out + j] += b[j] } } }
        return y
    }

    /// Adds dy^T x to `dw` and the column sums of dy to `db`; returns dx = dy w.
    static func linearBackward(_ dy: [Double], x: [Double], w: Tensor<Double>, dw: inout [Double], db: inout [Double]) -> [Double] {
        let dx = linearBackward(dy, x: x, w: w, dw: &dw)
        let out = w.shape[0]
        for row in 0..<(dy.count / max(1, out)) { for j in 0..<out { db[j] += dy[row * out + j] } }
        return dx
    }

    static func linearBackward(_ dy: [Double], x: [Double], w: Tensor<Double>, dw: inout [Double]) -> [Double] {
        let (out, width) = (w.shape[0], w.shape[1])
        let rows = dy.count / max(1, out)
        Double.axpy(&dw, Double.product(dy, x, [out, width, rows], transposeA: true, transposeB: false), 1)
        return Double.product(dy, w.values, [rows, width, out], transposeA: false, transposeB: false)
    }

    /// Mean cross-entropy of `logits` [rows][classes] against `labels` [rows], and its gradient by the logits.
    static func crossEntropy(_ logits: [Double], labels: [Int]) -> (loss: Double, gradient: [Double]) {
        let rows = labels.count
        let classes = logits.count / max(1, rows)
        var gradient = logits
        var loss = 0.0
        for row in 0..<rows {
            let range = row * classes..<(row + 1) * classes
            var top = -Double.infinity
            for i in range { top = max(top, logits[i]) }
            var sum = 0.0
            for i in range {
                gradient[i] = naturalExponential(logits[i] - top)
                sum += gradient[i]
            }
            for i in range { gradient[i] /= sum * Double(rows) }
            let label = row * classes + labels[row]
            loss += naturalLogarithm(sum) + top - logits[label]
            gradient[label] -= 1 / Double(rows)
        }
        return (loss / Double(max(1, rows)), gradient)
    }

    /// Rows normalised to mean 0 and variance 1, then scaled and shifted (arXiv:1607.06450).
    struct LayerNorm {
        var normalized: [Double]
        var inverseDeviation: [Double]
        var output: [Double]

        init(_ x: [Double], gain: [Double], bias: [Double]) {
            let width = gain.count
            let rows = x.count / width
            normalized = x
            output = x
            inverseDeviation = [Double](repeating: 0, count: rows)
            for row in 0..<rows {
                let at = row * width
                var mean = 0.0
                for j in 0..<width { mean += x[at + j] }
                mean /= Double(width)
                var variance = 0.0
                for j in 0..<width { variance += (x[at + j] - mean) * (x[at + j] - mean) }
                let inverse = 1 / (variance / Double(width) + 1e-5).squareRoot()
                inverseDeviation[row] = inverse
                for j in 0..<width {
                    normalized[at + j] = (x[at + j] - mean) * inverse
                    output[at + j] = normalized[at + j] * gain[j] + bias[j]
                }
            }
        }

        func backward(_ dy: [Double], gain: [Double], dGain: inout [Double], dBias: inout [Double]) -> [Double] {
            let width = gain.count
            var dx = dy
            for row in inverseDeviation.indices {
                let at = row * width
                var sum = 0.0
                var dot = 0.0
                for j in 0..<width {
                    dGain[j] += dy[at + j] * normalized[at + j]
                    dBias[j] += dy[at + j]
                    sum += dy[at + j] * gain[j]
                    dot += dy[at + j] * gain[j] * normalized[at + j]
                }
                for j in 0..<width {
                    dx[at + j] =
                        inverseDeviation[row] * (dy[at + j] * gain[j] - (sum + normalized[at + j] * dot) / Double(width))
                }
            }
            return dx
        }
    }
}

/// Elementwise non-linearity.
public enum Activation: Sendable {
    case relu
    case tanh
    /// x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) (arXiv:1606.08415).
    case gelu
    case identity

    private static let slope = (2 / Double.pi).squareRoot()

    func value(_ x: Double) -> Double {
        switch self {
        case .relu: max(0, x)
        case .tanh: hyperbolicTangent(x)
        case .gelu: 0.5 * x * (1 + hyperbolicTangent(Self.slope * (x + 0.044715 * x * x * x)))
        case .identity: x
        }
    }

    func derivative(_ x: Double) -> Double {
        switch self {
        case .relu: return x > 0 ? 1 : 0
        case .tanh:
            let t = hyperbolicTangent(x)
            return 1 - t * t
        case .gelu:
            let t = hyperbolicTangent(Self.slope * (x + 0.044715 * x * x * x))
            return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * Self.slope * (1 + 3 * 0.044715 * x * x)
        case .identity: return 1
        }
    }
}
