import CNumerics

extension CPUBackend {
    // MARK: Elementwise

    public func activate(_ function: Nonlinearity, _ x: [Float], into y: inout [Float]) {
        precondition(y.count == x.count, "an activation of \(x.count) elements into \(y.count)")
        switch function {
        case .gelu: cn_gelu_f32(x, &y, x.count)
        case .relu: cn_relu_f32(x, &y, x.count)
        case .silu: cn_silu_f32(x, &y, x.count)
        case .tanh: cn_tanh_f32(x, &y, x.count)
        }
    }
    public func activateBackward(_ function: Nonlinearity, x: [Float], gradient: inout [Float]) {
        precondition(gradient.count == x.count, "an activation of \(x.count) elements with a gradient of \(gradient.count)")
        switch function {
        case .gelu: cn_gelu_backward_f32(x, &gradient, x.count)
        case .relu: cn_relu_backward_f32(x, &gradient, x.count)
        case .silu: cn_silu_backward_f32(x, &gradient, x.count)
        case .tanh: cn_tanh_backward_f32(x, &gradient, x.count)
        }
    }
    public func swiglu(_ x: [Float], hidden: Int, into y: inout [Float]) {
        precondition(x.count == 2 * y.count, "a gated product of \(x.count) elements into \(y.count)")
        cn_swiglu_f32(x, &y, rows(y.count, hidden))
    }
    public func swigluBackward(_ dy: [Float], x: [Float], hidden: Int, into dx: inout [Float]) {
        precondition(x.count == 2 * dy.count && dx.count == x.count, "a gated product of \(x.count) elements with \(dy.count), \(dx.count)")
        cn_swiglu_backward_f32(dy, x, &dx, rows(dy.count, hidden))
    }

    // MARK: Rows of a table

    private func check(_ indices: [Int], width: Int, table: Int, rows: Int) {
        let limit = width > 0 ? table / width : Int.max
        precondition(
            width >= 0 && rows == indices.count * width && indices.allSatisfy { $0 >= 0 && $0 < limit },
            "\(indices.count) rows of \(width) of a table of \(table) elements, with a buffer of \(rows)")
    }
    public func gather(_ table: [Float], _ indices: [Int], width: Int, into y: inout [Float]) {
        check(indices, width: width, table: table.count, rows: y.count)
        cn_gather_rows_f32(table, indices, &y, cn_rows(rows: indices.count, width: width))
    }
    public func scatterAdd(_ x: [Float], _ indices: [Int], width: Int, into table: inout [Float]) {
        check(indices, width: width, table: table.count, rows: x.count)
        cn_scatter_add_rows_f32(x, indices, &table, cn_rows(rows: indices.count, width: width))
    }
    public func scaleRows(_ x: inout [Float], by weights: [Float]) {
        let width = weights.isEmpty ? 0 : x.count / weights.count
        precondition(width * weights.count == x.count, "\(weights.count) weights for rows of \(x.count) elements")
        cn_scale_rows_f32(&x, weights, cn_rows(rows: weights.count, width: width))
    }
    public func rowDots(_ a: [Float], _ b: [Float], into dots: inout [Float]) {
        let width = dots.isEmpty ? 0 : a.count / dots.count
        precondition(width * dots.count == a.count && b.count == a.count, "\(dots.count) dots of \(a.count) and \(b.count) elements")
        cn_row_dots_f32(a, b, &dots, cn_rows(rows: dots.count, width: width))
    }

    // MARK: Images

    private func described(_ shape: ConvolutionShape) -> cn_image {
        let image = shape.image
        precondition(
            min(image.images, image.height, image.width, image.channels, shape.padding) >= 0 && shape.window >= 1 && shape.stride >= 1,
            "images of shape \(shape)")
        return cn_image(
            images: image.images, height: image.height, width: image.width, channels: image.channels, window: shape.window,
            padding: shape.padding, stride: shape.stride, out_height: shape.outputHeight, out_width: shape.outputWidth)
    }
    public func channelsLast(_ shape: ImageShape, _ x: [Float], into y: inout [Float]) {
        precondition(x.count == shape.count && y.count == shape.count, "images of \(shape.count) elements in \(x.count) and \(y.count)")
        var described = described(ConvolutionShape(shape))
        cn_channels_last_f32(x, &y, &described)
    }
    public func im2col(_ shape: ConvolutionShape, _ x: [Float], into patches: inout [Float]) {
        check(shape, pixels: x.count, patches: patches.count)
        var described = described(shape)
        cn_im2col_f32(x, &patches, &described)
    }
    public func col2im(_ shape: ConvolutionShape, _ patches: [Float], into x: inout [Float]) {
        check(shape, pixels: x.count, patches: patches.count)
        var described = described(shape)
        cn_col2im_f32(patches, &x, &described)
    }
    private func check(_ shape: ConvolutionShape, pixels: Int, patches: Int) {
        precondition(
            pixels == shape.image.count && patches == shape.rows * shape.columns,
            "images of \(pixels) elements with patches of \(patches), not \(shape.image.count) and \(shape.rows * shape.columns)")
    }
    public func meanPool(_ shape: ImageShape, _ x: [Float], into y: inout [Float]) {
        check(shape, large: x.count, small: y.count)
        var described = described(ConvolutionShape(shape))
        cn_mean_pool_f32(x, &y, &described)
    }
    public func meanPoolBackward(_ shape: ImageShape, _ dy: [Float], into dx: inout [Float]) {
        check(shape, large: dx.count, small: dy.count)
        var described = described(ConvolutionShape(shape))
        cn_mean_pool_backward_f32(dy, &dx, &described)
    }
    private func check(_ shape: ImageShape, large: Int, small: Int) {
        precondition(
            shape.height % 2 == 0 && shape.width % 2 == 0 && large == shape.count && small == shape.count / 4,
            "pooling of \(shape.height) x \(shape.width) pixels, \(large) elements to \(small)")
    }

    // MARK: Optimizer steps

    public func adamW(_ parameters: inout [Float], _ gradient: [Float], moments: inout AdamMoments<Float>, _ step: AdamWStep) {
        let n = parameters.count
        precondition(gradient.count == n && moments.first.count == n && moments.second.count == n, "AdamW on buffers of other sizes")
        var settings = cn_adam(
            rate: step.rate, beta1: step.beta1, beta2: step.beta2, epsilon: step.epsilon, weight_decay: step.decay,
            correction1: 1 - integerPower(step.beta1, step.number), correction2: 1 - integerPower(step.beta2, step.number), decoupled: 1)
        cn_adam_f32(&parameters, gradient, &moments.first, &moments.second, n, &settings)
    }
    public func sgd(_ parameters: inout [Float], _ gradient: [Float], velocity: inout [Float], rate: Double, momentum: Double) {
        let n = parameters.count
        precondition(gradient.count == n && velocity.count == n, "SGD on buffers of other sizes")
        var settings = cn_sgd(rate: rate, momentum: momentum, dampening: 0, weight_decay: 0, nesterov: 0, first: 0)
        cn_sgd_f32(&parameters, gradient, &velocity, n, &settings)
    }
}

/// base^exponent by repeated squaring: the same bits on every platform.
func integerPower(_ base: Double, _ exponent: Int) -> Double {
    var (result, square, rest) = (1.0, base, exponent)
    while rest > 0 {
        if rest & 1 == 1 { result *= square }
        square *= square
        rest >>= 1
    }
    return result
}
