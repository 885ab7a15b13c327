import Calibration

/// One unknown of the profile fit: the logarithm of a factor on a constant within a scope, with the spread that it may have beforehand.
public struct FitParameter: Sendable, Hashable {
    public let constant: Constant
    public let scope: Scope
    public let sigma: Double
}

/// Which constants may differ between devices, stacks, releases, fabrics and environments, and by how much (standard deviation of the logarithm).
/// Kernels belong to the device and its library; overlap, fusion and host costs to the stack; the network to the fabric. Spreads are judged from
/// how far measured tables of one device differ between collections (kernels/FITS.md section 1) and stacks between releases.
enum FitSpread {
    static let hardware: [(Constant, Double)] = [
        (.gemm, 0.14), (.gemmLow, 0.14), (.gemmFp4, 0.2), (.attention, 0.18), (.attentionBmm, 0.15), (.grouped, 0.15), (.memory, 0.05),
        (.nvlink, 0.05), (.gemmKHalf, 0.4), (.gemmWave, 0.3),
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
        (.tensorGatherBackward, 0.3), (.contextExposed, 0.4),
    ]
    static let era: [(Constant, Double)] = [(.launch, 0.6), (.moePermute, 0.3), (.grouped, 0.15), (.gemmLow, 0.05), (.expertExposed, 0.2)]
    static let fabric: [(Constant, Double)] = [(.network, 0.3)]
    /// A named state of one machine: clocks, cooling and images differ by some per cent between machines of one kind.
    static let environment: [(Constant, Double)] = [(.degradation, 0.05)]

    static func offsets(_ scope: Scope) -> [(Constant, Double)] {
        switch scope {
        case .all: []
        case .hardware: hardware
        case .stack: stack
        case .era: era
        case .fabric: fabric
        case .environment: environment
        }
    }

    /// The unknowns that the given jobs can show anything about, in a fixed order.
    static func parameters(for keys: [ProfileKey], priors: ConstantTable) -> [FitParameter] {
        var list = Constant.allCases.map { FitParameter(constant: $0, scope: .all, sigma: priors[$0].sigma) }
        var seen: Set<Scope> = [.all]
        var scopes: [Scope] = []
        for key in keys { for scope in key.scopes where seen.insert(scope).inserted { scopes.append(scope) } }
        for scope in scopes.sorted(by: { "\($0)" < "\($1)" }) {
            for (constant, sigma) in offsets(scope) { list.append(FitParameter(constant: constant, scope: scope, sigma: sigma)) }
        }
        return list
    }
}
