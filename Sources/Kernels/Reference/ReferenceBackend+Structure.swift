#if canImport(Glibc)
    import Glibc
#else
    import Foundation
#endif

extension ReferenceBackend {
    // MARK: Attention, all pairs of one query after another

    /// Probabilities of query `i` of a head, and its keys' sum of exponentials as a logarithm.
    private func probabilities(_ s: AttentionShape, _ qkv: [Double], _ at: (query: Int, keys: Int), _ i: Int) -> ([Double], Double) {
        let line = 3 * s.width
        let visible = s.causal ? i + 1 : s.length
        let scale = 1 / Double(s.headDimension).squareRoot()
        var p = [Double](repeating: 0, count: s.length)
        for j in 0..<visible {
            var dot = 0.0
            for d in 0..<s.headDimension { dot += qkv[at.query + d] * qkv[at.keys + j * line + d] }
            p[j] = dot * scale
        }
        let scores = Array(p[0..<visible])
        var chosen = Array(0..<visible)
        if let kept = s.kept, kept < visible {
            // A NaN ranks first, so that it stays.
            let ranks = scores.map { $0.isNaN ? .infinity : $0 }
            chosen = Array(chosen.sorted { (ranks[$1], $0) < (ranks[$0], $1) }.prefix(max(1, kept)))
        }
        let top = chosen.reduce(-Double.infinity) { max($0, scores[$1]) }
        for j in 0..<visible { p[j] = 0 }
        var sum = 0.0
        for j in chosen {
            p[j] = exp(scores[j] - top)
            sum += p[j]
        }
        for j in chosen { p[j] /= sum }
        return (p, top + log(sum))
    }

    /// Calls `body` for every query of every head with the positions of its query, its keys and its output, and its index over all.
    private func forEachQuery(_ s: AttentionShape, _ body: (_ at: (query: Int, keys: Int), _ out: Int, _ i: Int, _ row: Int) -> Void) {
        for sequence in 0..<s.sequences {
            for head in 0..<s.heads {
                for i in 0..<s.length {
                    let token = sequence * s.length
                    let column = head * s.headDimension
                    body(
                        ((token + i) * 3 * s.width + column, token * 3 * s.width + s.width + column), (token + i) * s.width + column, i,
                        (sequence * s.heads + head) * s.length + i)
                }
            }
        }
    }

    public func attention(_ s: AttentionShape, qkv: [Double], into output: inout [Double], saved: inout [Double]) {
        forEachQuery(s) { at, out, i, row in
            let (p, logSum) = probabilities(s, qkv, at, i)
            if s.isSparse { for j in 0..<s.length { saved[row * s.length + j] = p[j] } } else { saved[row] = logSum }
            for d in 0..<s.headDimension { output[out + d] = 0 }
            for j in 0..<s.length where p[j] != 0 {
                let v = at.keys + s.width + j * 3 * s.width
                for d in 0..<s.headDimension { output[out + d] += p[j] * qkv[v + d] }
            }
        }
    }

    public func attentionBackward(_ pass: AttentionPass<Double>, _ dy: [Double], into dQKV: inout [Double]) {
        let s = pass.shape
        let scale = 1 / Double(s.headDimension).squareRoot()
        for i in dQKV.indices { dQKV[i] = 0 }
        var dp = zeros(s.length)
        forEachQuery(s) { at, out, i, row in
            let p = s.isSparse ? Array(pass.saved[row * s.length..<(row + 1) * s.length]) : probabilities(s, pass.qkv, at, i).0
            var mean = 0.0
            for j in 0..<s.length where p[j] != 0 {
                let v = at.keys + s.width + j * 3 * s.width
                dp[j] = 0
                for d in 0..<s.headDimension {
                    dp[j] += dy[out + d] * pass.qkv[v + d]
                    dQKV[v + d] += p[j] * dy[out + d]
                }
                mean += p[j] * dp[j]
            }
            for j in 0..<s.length where p[j] != 0 {
                let k = at.keys + j * 3 * s.width
                let ds = p[j] * (dp[j] - mean) * scale
                for d in 0..<s.headDimension {
                    dQKV[at.query + d] += ds * pass.qkv[k + d]
                    dQKV[k + d] += ds * pass.qkv[at.query + d]
                }
            }
        }
    }

    // MARK: Rows of a table

    public func gather(_ table: [Double], _ indices: [Int], width: Int, into y: inout [Double]) {
        for (row, index) in indices.enumerated() { for j in 0..<width { y[row * width + j] = table[index * width + j] } }
    }
    public func scatterAdd(_ x: [Double], _ indices: [Int], width: Int, into table: inout [Double]) {
        for (row, index) in indices.enumerated() { for j in 0..<width { table[index * width + j] += x[row * width + j] } }
    }
    public func scaleRows(_ x: inout [Double], by weights: [Double]) {
        let width = x.count / max(1, weights.count)
        for i in x.indices { x[i] *= weights[i / width] }
    }
    public func rowDots(_ a: [Double], _ b: [Double], into dots: inout [Double]) {
        let width = a.count / max(1, dots.count)
        for row in dots.indices { dots[row] = (row * width..<(row + 1) * width).reduce(0) { $0 + a[$1] * b[$1] } }
    }

    // MARK: Images

    public func channelsLast(_ s: ImageShape, _ x: [Double], into y: inout [Double]) {
        let pixels = s.height * s.width
        for image in 0..<s.images {
            for c in 0..<s.channels {
                for i in 0..<pixels { y[(image * pixels + i) * s.channels + c] = x[(image * s.channels + c) * pixels + i] }
            }
        }
    }
    /// Calls `body` with every position in the patches and the pixel that it reads, in the order of the patches.
    private func windows(_ s: ConvolutionShape, _ body: (_ patch: Int, _ pixel: Int) -> Void) {
        let area = s.window * s.window
        for row in 0..<s.rows {
            let (column, line) = (row % s.outputWidth, row / s.outputWidth % s.outputHeight)
            let image = row / (s.outputWidth * s.outputHeight)
            for offset in 0..<area {
                let r = line * s.stride + offset / s.window - s.padding
                let c = column * s.stride + offset % s.window - s.padding
                guard r >= 0, r < s.image.height, c >= 0, c < s.image.width else { continue }
                let pixel = ((image * s.image.height + r) * s.image.width + c) * s.image.channels
                for channel in 0..<s.image.channels { body(row * s.columns + channel * area + offset, pixel + channel) }
            }
        }
    }
    public func im2col(_ s: ConvolutionShape, _ x: [Double], into patches: inout [Double]) {
        patches = zeros(s.rows * s.columns)
        windows(s) { patches[$0] = x[$1] }
    }
    public func col2im(_ s: ConvolutionShape, _ patches: [Double], into x: inout [Double]) {
        x = zeros(s.image.count)
        windows(s) { x[$1] += patches[$0] }
    }
    /// Position of the pooled element that element `i` of the images belongs to.
    private func pooled(_ s: ImageShape, _ i: Int) -> Int {
        let (channel, pixel) = (i % s.channels, i / s.channels)
        let (column, row, image) = (pixel % s.width, pixel / s.width % s.height, pixel / (s.width * s.height))
        return ((image * (s.height / 2) + row / 2) * (s.width / 2) + column / 2) * s.channels + channel
    }
    public func meanPool(_ s: ImageShape, _ x: [Double], into y: inout [Double]) {
        y = zeros(s.count / 4)
        for i in x.indices { y[pooled(s, i)] += 0.25 * x[i] }
    }
    public func meanPoolBackward(_ s: ImageShape, _ dy: [Double], into dx: inout [Double]) {
        for i in dx.indices { dx[i] = 0.25 * dy[pooled(s, i)] }
    }

    // MARK: Optimizer steps

    public func adamW(_ p: inout [Double], _ g: [Double], moments: inout AdamMoments<Double>, _ step: AdamWStep) {
        let correction1 = 1 - integerPower(step.beta1, step.number)
        let correction2 = 1 - integerPower(step.beta2, step.number)
        for i in p.indices {
            moments.first[i] = step.beta1 * moments.first[i] + (1 - step.beta1) * g[i]
            moments.second[i] = step.beta2 * moments.second[i] + (1 - step.beta2) * g[i] * g[i]
            let root = (moments.second[i] / correction2).squareRoot() + step.epsilon
            p[i] = p[i] * (1 - step.rate * step.decay) - step.rate * moments.first[i] / correction1 / root
        }
    }
    public func sgd(_ p: inout [Double], _ g: [Double], velocity: inout [Double], rate: Double, momentum: Double) {
        for i in p.indices {
            velocity[i] = momentum * velocity[i] + g[i]
            p[i] -= rate * (momentum == 0 ? g[i] : velocity[i])
        }
    }
}
