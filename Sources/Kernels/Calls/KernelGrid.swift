/// Shapes that training uses, for calibration to time.
public enum KernelGrid {
    /// Every kernel on log-spaced shapes from a small layer's to the largest that move at most `mostBytes` and take at most `mostFLOPs`; in the
    /// order of `KernelName`, each call once.
    public static func training(mostBytes: Double = 0x1p28, mostFLOPs: Double = 1e10) -> [KernelCall] {
        var seen: Set<KernelCall> = []
        return KernelName.allCases.flatMap { kernel in
            sizes(kernel).map { KernelCall(unchecked: kernel, $0) }
        }.filter { $0.bytes <= mostBytes && $0.flops <= mostFLOPs && seen.insert($0).inserted }
    }

    private static func sizes(_ kernel: KernelName) -> [[Int]] {
        switch kernel {
        case .gemmNN, .gemmNT, .gemmTN, .gemmTT: products
        case .attention, .attentionBackward:
            grid([[1, 4, 16], [1, 2, 8], [16, 64, 128, 256, 512], [8, 16, 32, 64], [1], [0]]) + [
                [4, 4, 64, 32, 1, 16], [4, 4, 128, 32, 1, 32],
            ]
        case .crossEntropy: grid([[16, 128, 1024, 4096], [10, 64, 512, 4096, 32768]])
        case .layerNorm, .layerNormBackward, .rmsNorm, .rmsNormBackward, .softmax, .softmaxBackward, .addBias, .addColumnSums, .scaleRows,
            .rowDots, .swiglu, .swigluBackward:
            grid([[16, 64, 256, 1024, 4096], [16, 64, 256, 768, 1024, 4096]])
        case .gather, .scatterAdd: grid([[16, 256, 1024, 4096], [16, 64, 256, 1024], [64, 1024, 32768]])
        case .channelsLast, .meanPool, .meanPoolBackward:
            grid([[1, 8, 64], [8, 16, 32], [8, 16, 32], [1, 3, 8, 32]]).filter { $0[1] == $0[2] }
        case .im2col, .col2im:
            grid([[1, 8, 64], [8, 16, 32], [8, 16, 32], [1, 3, 8, 32], [3], [1], [1]]).filter { $0[1] == $0[2] }
        default: (6...24).map { [1 << $0] }
        }
    }

    /// Tokens by layer widths, as the forward pass and both backward products use them, with odd ones between.
    private static var products: [[Int]] {
        grid([[16, 64, 200, 512, 1024, 2048], [16, 64, 192, 512, 768, 2048], [16, 64, 192, 512, 768, 2048]])
    }

    /// All combinations, the last axis fastest.
    private static func grid(_ axes: [[Int]]) -> [[Int]] {
        axes.reduce([[]]) { rows, axis in rows.flatMap { row in axis.map { row + [$0] } } }
    }
}
