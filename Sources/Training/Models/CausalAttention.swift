/// Causal attention over `sequences` of `length` positions, in `heads`; each query attends to its `kept` best keys, or to all.
struct CausalAttention {
    let length: Int
    let heads: Int
    let width: Int
    let kept: Int?
    /// [sequences][heads][length][length], zero beyond the diagonal and where a key was not kept.
    private let probabilities: [Double]
    let output: [Double]
    private let qkv: [Double]

    private var size: Int { width / heads }
    private var scale: Double { 1 / Double(size).squareRoot() }

    /// - Parameter qkv: [sequences x length][3 width], queries, keys, values.
    init(_ qkv: [Double], length: Int, heads: Int, kept: Int?, width: Int) {
        self.qkv = qkv
        self.length = length
        self.heads = heads
        self.width = width
        self.kept = kept
        let sequences = qkv.count / max(1, 3 * width * length)
        let size = width / heads
        let scale = 1 / Double(size).squareRoot()
        var p = [Double](repeating: 0, count: sequences * heads * length * length)
        var y = [Double](repeating: 0, count: sequences * length * width)
        for sequence in 0..<sequences {
            for head in 0..<heads {
                for i in 0..<length {
                    let q = ((sequence * length + i) * 3) * width + head * size
                    let row = ((sequence * heads + head) * length + i) * length
                    for j in 0...i {
                        let k = ((sequence * length + j) * 3 + 1) * width + head * size
                        var dot = 0.0
                        for d in 0..<size { dot += qkv[q + d] * qkv[k + d] }
                        p[row + j] = dot * scale
                    }
                    Self.softmax(&p, row: row, count: i + 1, kept: kept)
                    let out = (sequence * length + i) * width + head * size
                    for j in 0...i where p[row + j] != 0 {
                        let v = ((sequence * length + j) * 3 + 2) * width + head * size
                        for d in 0..<size { y[out + d] += p[row + j] * qkv[v + d] }
                    }
                }
            }
        }
        probabilities = p
        output = y
    }

    /// Softmax over the `kept` largest of the scores p[row ..< row + count], the earlier key first among equals; zero for the rest.
    private static func softmax(_ p: inout [Double], row: Int, count: Int, kept: Int?) {
        let scores = Array(p[row..<row + count])
        var chosen = Array(scores.indices)
        if let kept, kept < count {
            chosen = Array(chosen.sorted { (scores[$1], $0) < (scores[$0], $1) }.prefix(max(1, kept)))
        }
        let top = chosen.reduce(-Double.infinity) { max($0, scores[$1]) }
        for j in 0..<count { p[row + j] = 0 }
        var sum = 0.0
        for j in chosen {
            p[row + j] = naturalExponential(scores[j] - top)
            sum += p[row + j]
        }
        for j in chosen { p[row + j] /= sum }
    }

    /// The gradient by qkv from that by the output.
    func backward(_ dy: [Double]) -> [Double] {
        var gradient = [Double](repeating: 0, count: qkv.count)
        let sequences = qkv.count / max(1, 3 * width * length)
        var dp = [Double](repeating: 0, count: length)
        for sequence in 0..<sequences {
            for head in 0..<heads {
                for i in 0..<length {
                    let q = ((sequence * length + i) * 3) * width + head * size
                    let row = ((sequence * heads + head) * length + i) * length
                    let out = (sequence * length + i) * width + head * size
                    var mean = 0.0
                    for j in 0...i where probabilities[row + j] != 0 {
                        let v = ((sequence * length + j) * 3 + 2) * width + head * size
                        dp[j] = 0
                        for d in 0..<size {
                            dp[j] += dy[out + d] * qkv[v + d]
                            gradient[v + d] += probabilities[row + j] * dy[out + d]
                        }
                        mean += probabilities[row + j] * dp[j]
                    }
                    for j in 0...i where probabilities[row + j] != 0 {
                        let k = ((sequence * length + j) * 3 + 1) * width + head * size
                        let ds = probabilities[row + j] * (dp[j] - mean) * scale
                        for d in 0..<size {
                            gradient[q + d] += ds * qkv[k + d]
                            gradient[k + d] += ds * qkv[q + d]
                        }
                    }
                }
            }
        }
        return gradient
    }
}
