/// Arithmetic and least traffic of a call, in single precision.
extension KernelCall {
    private func product(_ range: Range<Int>) -> Double { sizes[range].reduce(1) { $0 * Double($1) } }
    var attentionShape: AttentionShape {
        AttentionShape(
            sequences: sizes[0], heads: sizes[1], length: sizes[2], headDimension: sizes[3], causal: sizes[4] == 1,
            kept: sizes[5] == 0 ? nil : sizes[5])
    }
    var imageShape: ImageShape { ImageShape(images: sizes[0], height: sizes[1], width: sizes[2], channels: sizes[3]) }
    var convolutionShape: ConvolutionShape { ConvolutionShape(imageShape, window: sizes[4], padding: sizes[5], stride: sizes[6]) }

    /// Elements of the call's main operand: rows x width, or count.
    public var elements: Double {
        switch kernel {
        case .gather, .scatterAdd: product(0..<2)
        case .channelsLast, .meanPool, .meanPoolBackward: product(0..<4)
        case .im2col, .col2im: Double(convolutionShape.rows) * Double(convolutionShape.columns)
        case .attention, .attentionBackward: product(0..<4)
        default: product(0..<sizes.count)
        }
    }

    /// Additions, multiplications, divisions, roots and exponentials counted one each; a copy has none.
    public var flops: Double {
        switch kernel {
        case .gemmNN, .gemmNT, .gemmTN, .gemmTT: 2 * elements
        // Two products over the visible pairs; backward recomputes the scores and has four more.
        case .attention: 4 * attentionPairs * Double(sizes[3])
        case .attentionBackward: 10 * attentionPairs * Double(sizes[3])
        case .layerNorm, .softmaxBackward: 7 * elements
        case .layerNormBackward: 13 * elements
        case .rmsNorm, .softmax, .silu: 4 * elements
        case .rmsNormBackward: 10 * elements
        case .crossEntropy, .swiglu: 5 * elements
        case .swigluBackward, .gelu: 10 * elements
        case .geluBackward: 16 * elements
        case .siluBackward, .tanh: 6 * elements
        case .tanhBackward: 9 * elements
        case .adamW: 13 * elements
        case .sgd: 4 * elements
        case .rowDots: 2 * elements
        case .meanPool, .meanPoolBackward, .addBias, .addColumnSums, .scaleRows, .add, .scale, .scatterAdd, .col2im, .relu,
            .reluBackward:
            elements
        case .copy, .zeros, .gather, .im2col, .channelsLast: 0
        }
    }

    private var attentionPairs: Double {
        let length = Double(sizes[2])
        return Double(sizes[0]) * Double(sizes[1]) * (sizes[4] == 1 ? length * (length + 1) / 2 : length * length)
    }

    /// Bytes that must be read and written at least, each operand once.
    public var bytes: Double { 4 * transfers }

    private var transfers: Double {
        switch kernel {
        case .gemmNN, .gemmNT, .gemmTN, .gemmTT: product(0..<2) + product(1..<3) + Double(sizes[0]) * Double(sizes[2])
        case .attention: 4 * elements
        case .attentionBackward: 8 * elements
        case .layerNormBackward, .rmsNormBackward, .softmaxBackward, .add, .scatterAdd, .geluBackward, .reluBackward, .siluBackward,
            .tanhBackward, .swiglu:
            3 * elements
        case .swigluBackward, .sgd: 5 * elements
        case .adamW: 7 * elements
        case .zeros, .addColumnSums: elements
        case .meanPool, .meanPoolBackward: 1.25 * elements
        case .im2col, .col2im: elements + product(0..<4)
        default: 2 * elements
        }
    }
}
