import CNumerics

extension CPUBackend {
    // MARK: Attention

    private func check(_ shape: AttentionShape, _ counts: [(String, Int, Int)]) {
        precondition(
            min(shape.sequences, shape.heads, shape.length) >= 0 && shape.headDimension > 0 && (shape.kept ?? 1) >= 1,
            "attention of shape \(shape)")
        for (name, found, right) in counts {
            precondition(found == right, "attention with \(name) of \(found) elements, not \(right)")
        }
    }
    private func described(_ shape: AttentionShape) -> cn_attention {
        cn_attention(
            sequences: shape.sequences, heads: shape.heads, length: shape.length, head_dimension: shape.headDimension,
            causal: shape.causal ? 1 : 0, kept: shape.isSparse ? shape.kept ?? 0 : 0)
    }

    public func attention(_ shape: AttentionShape, qkv: [Float], into output: inout [Float], saved: inout [Float]) {
        let size = shape.tokens * shape.width
        check(shape, [("qkv", qkv.count, 3 * size), ("output", output.count, size), ("saved", saved.count, shape.savedCount)])
        var described = described(shape)
        let status = cn_attention_f32(&described, qkv, &output, &saved)
        precondition(status == 0, "memory ran out in attention")
    }

    public func attentionBackward(_ pass: AttentionPass<Float>, _ dOutput: [Float], into dQKV: inout [Float]) {
        let shape = pass.shape
        let size = shape.tokens * shape.width
        check(
            shape,
            [
                ("qkv", pass.qkv.count, 3 * size), ("output", pass.output.count, size), ("saved", pass.saved.count, shape.savedCount),
                ("dOutput", dOutput.count, size), ("dQKV", dQKV.count, 3 * size),
            ])
        var described = described(shape)
        var status: Int32 = 0
        pass.qkv.withUnsafeBufferPointer { qkv in
            pass.output.withUnsafeBufferPointer { output in
                pass.saved.withUnsafeBufferPointer { saved in
                    dOutput.withUnsafeBufferPointer { dOutput in
                        dQKV.withUnsafeMutableBufferPointer { dQKV in
                            var buffers = cn_attention_gradient(
                                qkv: qkv.baseAddress, output: output.baseAddress, saved: saved.baseAddress, doutput: dOutput.baseAddress,
                                dqkv: dQKV.baseAddress)
                            status = cn_attention_backward_f32(&described, &buffers)
                        }
                    }
                }
            }
        }
        precondition(status == 0, "memory ran out in attention")
    }

    // MARK: Normalisation

    public func layerNorm(_ x: [Float], gain: [Float], bias: [Float], into y: inout [Float], statistics: inout [Float]) {
        let shape = rows(x.count, gain.count)
        precondition(
            bias.count == gain.count && y.count == x.count && statistics.count == 2 * Int(shape.rows), "a norm with buffers of other sizes")
        cn_layernorm_f32(x, gain, bias, &y, &statistics, shape)
    }
    public func rmsNorm(_ x: [Float], gain: [Float], into y: inout [Float], statistics: inout [Float]) {
        let shape = rows(x.count, gain.count)
        precondition(y.count == x.count && statistics.count == Int(shape.rows), "a norm with buffers of other sizes")
        cn_rmsnorm_f32(x, gain, &y, &statistics, shape)
    }
    public func layerNormBackward(
        _ dy: [Float], x: [Float], gain: [Float], statistics: [Float], into gradients: inout NormGradients<Float>
    ) {
        let shape = rows(x.count, gain.count)
        precondition(
            gradients.dBias.count == gain.count && statistics.count == 2 * Int(shape.rows), "a norm with buffers of other sizes")
        normBackward(dy, x, (gain, statistics), &gradients) { cn_layernorm_backward_f32(&$0, shape) }
    }
    public func rmsNormBackward(
        _ dy: [Float], x: [Float], gain: [Float], statistics: [Float], into gradients: inout NormGradients<Float>
    ) {
        let shape = rows(x.count, gain.count)
        precondition(statistics.count == Int(shape.rows), "a norm with buffers of other sizes")
        normBackward(dy, x, (gain, statistics), &gradients) { cn_rmsnorm_backward_f32(&$0, shape) }
    }

    private func normBackward(
        _ dy: [Float], _ x: [Float], _ constants: (gain: [Float], statistics: [Float]), _ gradients: inout NormGradients<Float>,
        _ body: (inout cn_norm_backward) -> Void
    ) {
        precondition(
            dy.count == x.count && gradients.dx.count == x.count && gradients.dGain.count == constants.gain.count,
            "a norm with buffers of other sizes")
        dy.withUnsafeBufferPointer { dy in
            x.withUnsafeBufferPointer { x in
                constants.gain.withUnsafeBufferPointer { gain in
                    constants.statistics.withUnsafeBufferPointer { statistics in
                        gradients.dx.withUnsafeMutableBufferPointer { dx in
                            let dx = dx.baseAddress
                            gradients.dGain.withUnsafeMutableBufferPointer { dGain in
                                let dGain = dGain.baseAddress
                                gradients.dBias.withUnsafeMutableBufferPointer { dBias in
                                    var buffers = cn_norm_backward(
                                        dy: dy.baseAddress, x: x.baseAddress, gain: gain.baseAddress, statistics: statistics.baseAddress,
                                        dx: dx, dgain: dGain, dbias: dBias.baseAddress)
                                    body(&buffers)
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    // MARK: Softmax and loss

    public func softmax(_ x: [Float], columns: Int, into y: inout [Float]) {
        precondition(y.count == x.count, "a softmax of \(x.count) elements into \(y.count)")
        cn_softmax_f32(x, &y, rows(x.count, columns))
    }
    public func softmaxBackward(_ dy: [Float], y: [Float], columns: Int, into dx: inout [Float]) {
        precondition(dy.count == y.count && dx.count == y.count, "a softmax of \(y.count) elements with gradients of others")
        cn_softmax_backward_f32(dy, y, &dx, rows(y.count, columns))
    }
    public func crossEntropy(_ logits: [Float], labels: [Int], gradient: inout [Float]) -> Double {
        guard !labels.isEmpty else { return 0 }
        let shape = cn_rows(rows: labels.count, width: logits.count / labels.count)
        precondition(
            shape.rows * shape.width == logits.count && gradient.count == logits.count
                && labels.allSatisfy { $0 >= 0 && $0 < Int(shape.width) },
            "\(labels.count) labels, all below the classes, for \(logits.count) logits and a gradient of \(gradient.count)")
        return cn_cross_entropy_f32(logits, labels, &gradient, shape) / Double(labels.count)
    }
}
