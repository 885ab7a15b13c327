/// Layers made of the operations of `Backend`, so that a recording lists what they consist of.
extension Backend {
    /// y [rows][out] = x [rows][in] w^T + bias, with w [out][in]; the sizes are m = rows, n = out, k = in.
    public func linear(_ x: [Scalar], _ w: [Scalar], bias: [Scalar]?, out: Int, width: Int) -> [Scalar] {
        let rows = width > 0 ? x.count / width : 0
        var y = uninitialized(rows * out)
        gemm(GEMM(m: rows, n: out, k: width, transposeB: true), x, w, into: &y)
        if let bias { addBias(bias, into: &y) }
        return y
    }

    /// dx [rows][in] = dy [rows][out] w.
    public func linearInputGradient(_ dy: [Scalar], _ w: [Scalar], out: Int, width: Int) -> [Scalar] {
        let rows = out > 0 ? dy.count / out : 0
        var dx = uninitialized(rows * width)
        gemm(GEMM(m: rows, n: width, k: out), dy, w, into: &dx)
        return dx
    }

    /// dw [out][in] += dy^T x.
    public func addLinearWeightGradient(_ dy: [Scalar], x: [Scalar], out: Int, width: Int, into dw: inout [Scalar]) {
        let rows = out > 0 ? dy.count / out : 0
        gemm(GEMM(m: out, n: width, k: rows, transposeA: true).accumulating, dy, x, into: &dw)
    }

    /// Every replica [n] becomes the sum of all, times `factor`: an all-reduce between buffers of one process. 2 (R - 1) n elements are read
    /// and written. Sums are taken in the order of the replicas, so that all hold the same bits.
    public func allReduce(_ replicas: inout [[Scalar]], factor: Double = 1) {
        guard replicas.count > 1 else { return }
        for i in 1..<replicas.count {
            let other = replicas[i]
            add(other, into: &replicas[0])
        }
        if factor != 1 { scale(&replicas[0], by: factor) }
        let sum = replicas[0]
        for i in 1..<replicas.count { copy(sum, into: &replicas[i]) }
    }
}
