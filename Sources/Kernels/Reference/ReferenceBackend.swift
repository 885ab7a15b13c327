import CNumerics

#if canImport(Glibc)
    import Glibc
#else
    import Foundation
#endif

/// Double precision in plain code, apart from the matrix products, which OpenBLAS computes: what gradient checks run on, and what the other
/// backends are compared with.
public struct ReferenceBackend: Backend {
    public typealias Scalar = Double
    public init() {}

    public var description: BackendDescription {
        BackendDescription(
            name: "reference", processor: Processor.modelName,
            library: String(cString: cn_blas_config()).split(separator: " ").prefix(2).joined(separator: " "),
            libraryCore: String(cString: cn_blas_core()), vectors: "baseline", threads: Int(cn_blas_thread_count()))
    }

    public func zeros(_ count: Int) -> [Double] { [Double](repeating: 0, count: count) }
    public func uninitialized(_ count: Int) -> [Double] { zeros(count) }
    public func converted(_ x: [Double]) -> [Double] { x }
    public func doubles(_ x: [Double]) -> [Double] { x }
    public func copy(_ x: [Double], into y: inout [Double]) { y = x }
    public func add(_ x: [Double], into y: inout [Double]) { for i in y.indices { y[i] += x[i] } }
    public func scale(_ y: inout [Double], by factor: Double) { for i in y.indices { y[i] *= factor } }

    public func gemm(_ s: GEMM, _ a: [Double], _ b: [Double], into c: inout [Double]) {
        precondition(
            a.count == s.m * s.k && b.count == s.k * s.n && c.count == s.m * s.n,
            "a product of m = \(s.m), n = \(s.n), k = \(s.k) with operands of \(a.count), \(b.count) and \(c.count) elements")
        cn_gemm_f64(s.transposeA ? 1 : 0, s.transposeB ? 1 : 0, [Int32(s.m), Int32(s.n), Int32(s.k)], s.alpha, a, b, s.beta, &c)
    }
    public func addBias(_ bias: [Double], into x: inout [Double]) {
        for row in 0..<rows(x.count, bias.count) { for j in bias.indices { x[row * bias.count + j] += bias[j] } }
    }
    public func addColumnSums(_ x: [Double], into sums: inout [Double]) {
        for row in 0..<rows(x.count, sums.count) { for j in sums.indices { sums[j] += x[row * sums.count + j] } }
    }
    private func rows(_ count: Int, _ width: Int) -> Int { width > 0 ? count / width : 0 }

    // MARK: Normalisation

    public func layerNorm(_ x: [Double], gain: [Double], bias: [Double], into y: inout [Double], statistics: inout [Double]) {
        let width = gain.count
        for row in 0..<rows(x.count, width) {
            let at = row * width
            var mean = 0.0
            for j in 0..<width { mean += x[at + j] }
            mean /= Double(width)
            var variance = 0.0
            for j in 0..<width { variance += (x[at + j] - mean) * (x[at + j] - mean) }
            let inverse = 1 / (variance / Double(width) + normEpsilon).squareRoot()
            (statistics[2 * row], statistics[2 * row + 1]) = (mean, inverse)
            for j in 0..<width { y[at + j] = (x[at + j] - mean) * inverse * gain[j] + bias[j] }
        }
    }
    public func layerNormBackward(
        _ dy: [Double], x: [Double], gain: [Double], statistics: [Double], into gradients: inout NormGradients<Double>
    ) {
        let width = gain.count
        for row in 0..<rows(x.count, width) {
            let at = row * width
            let (mean, inverse) = (statistics[2 * row], statistics[2 * row + 1])
            var (sum, dot) = (0.0, 0.0)
            for j in 0..<width {
                let z = (x[at + j] - mean) * inverse
                gradients.dGain[j] += dy[at + j] * z
                gradients.dBias[j] += dy[at + j]
                sum += dy[at + j] * gain[j]
                dot += dy[at + j] * gain[j] * z
            }
            for j in 0..<width {
                let z = (x[at + j] - mean) * inverse
                gradients.dx[at + j] = inverse * (dy[at + j] * gain[j] - (sum + z * dot) / Double(width))
            }
        }
    }
    public func rmsNorm(_ x: [Double], gain: [Double], into y: inout [Double], statistics: inout [Double]) {
        let width = gain.count
        for row in 0..<rows(x.count, width) {
            let at = row * width
            var square = 0.0
            for j in 0..<width { square += x[at + j] * x[at + j] }
            statistics[row] = 1 / (square / Double(width) + normEpsilon).squareRoot()
            for j in 0..<width { y[at + j] = x[at + j] * statistics[row] * gain[j] }
        }
    }
    public func rmsNormBackward(
        _ dy: [Double], x: [Double], gain: [Double], statistics: [Double], into gradients: inout NormGradients<Double>
    ) {
        let width = gain.count
        for row in 0..<rows(x.count, width) {
            let at = row * width
            let inverse = statistics[row]
            var dot = 0.0
            for j in 0..<width {
                let z = x[at + j] * inverse
                gradients.dGain[j] += dy[at + j] * z
                dot += dy[at + j] * gain[j] * z
            }
            for j in 0..<width {
                gradients.dx[at + j] = inverse * (dy[at + j] * gain[j] - x[at + j] * inverse * dot / Double(width))
            }
        }
    }

    // MARK: Softmax and loss

    public func softmax(_ x: [Double], columns: Int, into y: inout [Double]) {
        for row in 0..<rows(x.count, columns) {
            let range = row * columns..<(row + 1) * columns
            var top = -Double.infinity
            for i in range { top = max(top, x[i]) }
            var sum = 0.0
            for i in range {
                y[i] = exp(x[i] - top)
                sum += y[i]
            }
            for i in range { y[i] /= sum }
        }
    }
    public func softmaxBackward(_ dy: [Double], y: [Double], columns: Int, into dx: inout [Double]) {
        for row in 0..<rows(y.count, columns) {
            let range = row * columns..<(row + 1) * columns
            let dot = range.reduce(0) { $0 + dy[$1] * y[$1] }
            for i in range { dx[i] = y[i] * (dy[i] - dot) }
        }
    }
    public func crossEntropy(_ logits: [Double], labels: [Int], gradient: inout [Double]) -> Double {
        let classes = logits.count / max(1, labels.count)
        var loss = 0.0
        for row in labels.indices {
            let range = row * classes..<(row + 1) * classes
            var top = -Double.infinity
            for i in range { top = max(top, logits[i]) }
            var sum = 0.0
            for i in range {
                gradient[i] = exp(logits[i] - top)
                sum += gradient[i]
            }
            for i in range { gradient[i] /= sum * Double(labels.count) }
            let label = row * classes + labels[row]
            loss += log(sum) + top - logits[label]
            gradient[label] -= 1 / Double(labels.count)
        }
        return loss / Double(max(1, labels.count))
    }

    // MARK: Elementwise

    private static let slope = (2 / Double.pi).squareRoot()

    public func activate(_ function: Nonlinearity, _ x: [Double], into y: inout [Double]) {
        for i in x.indices {
            let v = x[i]
            switch function {
            case .gelu: y[i] = 0.5 * v * (1 + tanh(Self.slope * (v + 0.044715 * v * v * v)))
            case .relu: y[i] = v < 0 ? 0 : v
            case .silu: y[i] = v / (1 + exp(-v))
            case .tanh: y[i] = tanh(v)
            }
        }
    }
    public func activateBackward(_ function: Nonlinearity, x: [Double], gradient: inout [Double]) {
        for i in x.indices { gradient[i] *= derivative(function, x[i]) }
    }
    private func derivative(_ function: Nonlinearity, _ v: Double) -> Double {
        switch function {
        case .gelu:
            let t = tanh(Self.slope * (v + 0.044715 * v * v * v))
            return 0.5 * (1 + t) + 0.5 * v * (1 - t * t) * Self.slope * (1 + 3 * 0.044715 * v * v)
        case .relu: return v > 0 ? 1 : v <= 0 ? 0 : v
        case .silu:
            let s = 1 / (1 + exp(-v))
            return s * (1 + v * (1 - s))
        case .tanh:
            let t = tanh(v)
            return 1 - t * t
        }
    }
    public func swiglu(_ x: [Double], hidden: Int, into y: inout [Double]) {
        for i in y.indices {
            let at = i / hidden * 2 * hidden + i % hidden
            y[i] = x[at] / (1 + exp(-x[at])) * x[at + hidden]
        }
    }
    public func swigluBackward(_ dy: [Double], x: [Double], hidden: Int, into dx: inout [Double]) {
        for i in dy.indices {
            let at = i / hidden * 2 * hidden + i % hidden
            dx[at] = dy[i] * x[at + hidden] * derivative(.silu, x[at])
            dx[at + hidden] = dy[i] * x[at] / (1 + exp(-x[at]))
        }
    }
}
