/// Which constants may differ between devices, stacks, releases, fabrics and environments, and by how much (standard deviation of the logarithm).
/// Kernels belong to the device and its library; overlap, fusion and host costs to the stack; the network to the fabric. Spreads are judged from
/// how far measured tables of one device differ between collections (kernels/FITS.md section 1) and stacks between releases.
public enum ScopeSpread {
    static let chip: [(Constant, Double)] = [
        (.gemm, 0.13), (.gemmFp32, 0.1), (.gemmLow, 0.13), (.gemmFp4, 0.2), (.attention, 0.18), (.attentionBmm, 0.15), (.grouped, 0.15),
        (.memory, 0.05), (.nvlink, 0.04), (.gemmKHalf, 0.4), (.gemmWave, 0.3), (.convolution, 0.1),
    ]
    /// Cards of one chip differ by what their own figures do not say: clocks held, cooling, firmware.
    static let hardware: [(Constant, Double)] = [
        (.gemm, 0.03), (.gemmLow, 0.03), (.attention, 0.03), (.grouped, 0.05), (.memory, 0.03), (.nvlink, 0.05),
    ]
    /// Stacks built alike.
    static let kind: [(Constant, Double)] = [
        (.gemm, 0.05), (.attention, 0.15), (.attentionBmm, 0.1), (.attentionSoftmax, 0.15), (.elementwise, 0.3), (.logits, 0.2),
        (.launch, 0.4),
        (.collectiveLaunch, 0.5), (.optimizerTensor, 0.7), (.fixed, 0.3), (.dataExposed, 0.3), (.network, 0.1), (.ringStart, 0.5),
        (.convolutionTraffic, 0.25), (.convolution, 0.15),
    ]
    /// What a stack's rows on one chip share beside: its choice of kernels, and machines that are often one.
    static let pair: [(Constant, Double)] = [
        (.gemm, 0.07), (.gemmLow, 0.05), (.attention, 0.08), (.grouped, 0.1), (.elementwise, 0.1), (.convolutionTraffic, 0.1),
    ]
    static let stack: [(Constant, Double)] = [
        (.gemm, 0.09), (.gemmLow, 0.10), (.gemmWave, 0.25), (.gemmKHalf, 0.3), (.attention, 0.25), (.attentionBmm, 0.12),
        (.attentionBackward, 0.1),
        (.attentionSHalf, 0.3), (.attentionSoftmax, 0.2), (.elementwise, 0.3), (.fixed, 0.4), (.launch, 0.4), (.tensorExposed, 0.3),
        (.tensorBackwardExposed, 0.3),
        (.dataExposed, 0.4),
        (.pipelineExposed, 0.4), (.hostSync, 0.5), (.network, 0.2), (.quantise, 0.5), (.quantiseRowwise, 0.4), (.nvlink, 0.1),
        (.overlapSlowdown, 0.4), (.shardedSlowdown, 0.4),
        (.grouped, 0.12), (.moePermute, 0.3), (.expertExposed, 0.3), (.jitter, 0.4), (.optimizer, 0.2), (.gradientCopy, 0.2),
        (.logits, 0.2),
        (.tensorGatherBackward, 0.3), (.contextExposed, 0.4), (.collectiveLaunch, 0.5), (.optimizerTensor, 0.8), (.ringStart, 0.6),
        (.shardStart, 1.0), (.blockingSends, 0.7), (.blockingGrowth, 0.1), (.convolutionTraffic, 0.3), (.convolution, 0.15),
        (.uncompiled, 0.15),
    ]
    static let era: [(Constant, Double)] = [
        (.launch, 0.6), (.moePermute, 0.3), (.grouped, 0.15), (.gemmLow, 0.05), (.expertExposed, 0.2), (.convolutionTraffic, 0.3),
    ]
    static let fabric: [(Constant, Double)] = [(.network, 0.3), (.ringStart, 0.8), (.shardStart, 0.5)]
    /// A named state of one machine: clocks, cooling and images differ by some per cent between machines of one kind.
    static let environment: [(Constant, Double)] = [(.degradation, 0.05)]

    /// Constants that may differ in a scope, with the spread of the logarithm that they may have there beforehand.
    public static func offsets(_ scope: Scope) -> [(Constant, Double)] {
        switch scope {
        case .all: []
        case .chip: chip
        case .hardware: hardware
        case .kind: kind
        case .pair: pair
        case .stack: stack
        case .era: era
        case .fabric: fabric
        case .environment: environment
        }
    }

    private static let table: [String: [Constant: Double]] = {
        var table: [String: [Constant: Double]] = [:]
        for (name, list) in [
            ("chip", chip), ("hardware", hardware), ("kind", kind), ("pair", pair), ("stack", stack), ("release", era), ("fabric", fabric),
            ("environment", environment),
        ] { table[name] = Dictionary(list, uniquingKeysWith: { first, _ in first }) }
        return table
    }()

    /// Spread of one constant in a scope beforehand; 0 where it does not differ there.
    public static func sigma(_ constant: Constant, in scope: Scope) -> Double {
        let name =
            switch scope {
            case .all: ""
            case .chip: "chip"
            case .hardware: "hardware"
            case .kind: "kind"
            case .pair: "pair"
            case .stack: "stack"
            case .era: "release"
            case .fabric: "fabric"
            case .environment: "environment"
            }
        return table[name]?[constant] ?? 0
    }
}
