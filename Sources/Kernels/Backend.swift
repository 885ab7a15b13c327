/// The arithmetic of a training step over contiguous row-major buffers, free of any model: what a machine must offer to train the models of
/// Training, and what calibration times.
///
/// Every operation writes all of its outputs (`into`), unless it says that it adds. Outputs have their final size on entry: take them from
/// `uninitialized(_:)` or `zeros(_:)`, and use them again. Sizes that do not fit are the caller's error and stop the program, as an index out
/// of range does; models check their input before. A NaN in the input reaches every output that depends on it. The same input gives the same
/// bits on the same machine and number of threads.
public protocol Backend: Sendable {
    /// Float for machines; Double for the reference.
    associatedtype Scalar: BinaryFloatingPoint & Sendable

    /// What computes: processor, library, threads.
    var description: BackendDescription { get }

    // MARK: Buffers

    /// `count` zeros.
    func zeros(_ count: Int) -> [Scalar]
    /// `count` elements of any value, for an operation to write.
    func uninitialized(_ count: Int) -> [Scalar]
    /// Rounded to this backend's scalar.
    func converted(_ x: [Double]) -> [Scalar]
    func doubles(_ x: [Scalar]) -> [Double]
    /// y = x, both [n]: a copy in host memory.
    func copy(_ x: [Scalar], into y: inout [Scalar])
    /// y += x, both [n]: residual connections, and the local part of a reduction.
    func add(_ x: [Scalar], into y: inout [Scalar])
    /// y *= factor
    func scale(_ y: inout [Scalar], by factor: Double)

    // MARK: Linear algebra

    /// C [m][n] = alpha op(A) op(B) + beta C with op(A) [m][k] and op(B) [k][n]; A is stored [m][k], or [k][m] where transposed; B likewise.
    /// With beta 0, C is not read.
    func gemm(_ shape: GEMM, _ a: [Scalar], _ b: [Scalar], into c: inout [Scalar])
    /// x [rows][width] += bias [width] in every row.
    func addBias(_ bias: [Scalar], into x: inout [Scalar])
    /// Adds the sums of the columns of x [rows][width] to `sums` [width].
    func addColumnSums(_ x: [Scalar], into sums: inout [Scalar])

    // MARK: Attention

    /// softmax(Q K^T / sqrt(headDimension)) V for every sequence and head.
    /// - Parameters:
    ///   - qkv: [sequences x length][3][heads][headDimension]: queries, keys, values.
    ///   - output: [sequences x length][heads][headDimension].
    ///   - saved: [shape.savedCount] for the backward pass.
    func attention(_ shape: AttentionShape, qkv: [Scalar], into output: inout [Scalar], saved: inout [Scalar])
    /// The gradient by qkv from that by the output [sequences x length][heads][headDimension].
    func attentionBackward(_ pass: AttentionPass<Scalar>, _ dOutput: [Scalar], into dQKV: inout [Scalar])

    // MARK: Normalisation, epsilon 1e-5; width is the gain's count

    /// Rows of x [rows][width] to mean 0 and variance 1, then gain and bias [width] (arXiv:1607.06450).
    /// `statistics` [rows][2]: mean and inverse deviation.
    func layerNorm(_ x: [Scalar], gain: [Scalar], bias: [Scalar], into y: inout [Scalar], statistics: inout [Scalar])
    func layerNormBackward(_ dy: [Scalar], x: [Scalar], gain: [Scalar], statistics: [Scalar], into gradients: inout NormGradients<Scalar>)
    /// Rows of x over their root mean square, times gain (arXiv:1910.07467). `statistics` [rows]: inverse root mean square.
    func rmsNorm(_ x: [Scalar], gain: [Scalar], into y: inout [Scalar], statistics: inout [Scalar])
    func rmsNormBackward(_ dy: [Scalar], x: [Scalar], gain: [Scalar], statistics: [Scalar], into gradients: inout NormGradients<Scalar>)

    // MARK: Softmax and loss

    /// Rows of x [rows][columns] to probabilities.
    func softmax(_ x: [Scalar], columns: Int, into y: inout [Scalar])
    /// dx from dy and the probabilities y, all [rows][columns].
    func softmaxBackward(_ dy: [Scalar], y: [Scalar], columns: Int, into dx: inout [Scalar])
    /// Mean cross-entropy of the logits [rows][classes] against labels [rows], in nats, and its gradient by the logits; fused.
    /// 0 for no rows.
    func crossEntropy(_ logits: [Scalar], labels: [Int], gradient: inout [Scalar]) -> Double

    // MARK: Elementwise

    /// y = f(x)
    func activate(_ function: Nonlinearity, _ x: [Scalar], into y: inout [Scalar])
    /// gradient *= f'(x)
    func activateBackward(_ function: Nonlinearity, x: [Scalar], gradient: inout [Scalar])
    /// y [rows][hidden] = silu(gate) up (arXiv:2002.05202) from x [rows][2][hidden]: gate, then up.
    func swiglu(_ x: [Scalar], hidden: Int, into y: inout [Scalar])
    /// dx [rows][2][hidden] from dy [rows][hidden].
    func swigluBackward(_ dy: [Scalar], x: [Scalar], hidden: Int, into dx: inout [Scalar])

    // MARK: Rows of a table

    /// y [indices.count][width] = the rows of `table` [...][width] at `indices`: an embedding, or the tokens of an expert.
    func gather(_ table: [Scalar], _ indices: [Int], width: Int, into y: inout [Scalar])
    /// Adds the rows of x [indices.count][width] to those of `table` at `indices`, in order.
    func scatterAdd(_ x: [Scalar], _ indices: [Int], width: Int, into table: inout [Scalar])
    /// Row r of x [weights.count][...] *= weights[r].
    func scaleRows(_ x: inout [Scalar], by weights: [Scalar])
    /// Dot products of the rows of a and b, both [dots.count][...].
    func rowDots(_ a: [Scalar], _ b: [Scalar], into dots: inout [Scalar])

    // MARK: Images, [image][row][column][channel]

    /// [image][channel][row][column] to [image][row][column][channel].
    func channelsLast(_ shape: ImageShape, _ x: [Scalar], into y: inout [Scalar])
    /// Patches [images x outputPixels][channels][window x window], zero beyond the edge.
    func im2col(_ shape: ConvolutionShape, _ x: [Scalar], into patches: inout [Scalar])
    /// The transpose of `im2col`: sums of the patches' elements that a pixel went to.
    func col2im(_ shape: ConvolutionShape, _ patches: [Scalar], into x: inout [Scalar])
    /// Means over 2 x 2 pixels; height and width must be even.
    func meanPool(_ shape: ImageShape, _ x: [Scalar], into y: inout [Scalar])
    /// dx [shape] from dy of a quarter of its pixels.
    func meanPoolBackward(_ shape: ImageShape, _ dy: [Scalar], into dx: inout [Scalar])

    // MARK: Optimizer steps

    /// AdamW (arXiv:1711.05101); parameters, gradient, and both moments [n].
    func adamW(_ parameters: inout [Scalar], _ gradient: [Scalar], moments: inout AdamMoments<Scalar>, _ step: AdamWStep)
    /// Momentum SGD: velocity = momentum velocity + gradient; parameters -= rate velocity. All [n].
    func sgd(_ parameters: inout [Scalar], _ gradient: [Scalar], velocity: inout [Scalar], rate: Double, momentum: Double)
}
