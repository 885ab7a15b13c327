#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// Loss of a dense decoder-only transformer of N parameters after D tokens, each seen once: L = E + A / N^alpha + B / D^beta (Hoffmann et al. 2022,
/// arXiv:2203.15556, equation 10). Loss in nats a token, on data and with a tokenizer like the law's own.
public struct LossLaw: Sendable, Hashable {
    public var name: String
    public var irreducible: Double
    public var a: Double
    public var b: Double
    public var alpha: Double
    public var beta: Double
    /// Standard error of E, the one that matters most near a target; nil where none is published.
    public var irreducibleError: Double?
    public var source: String

    public init(
        name: String, irreducible: Double, a: Double, b: Double, alpha: Double, beta: Double, irreducibleError: Double? = nil,
        source: String
    ) {
        self.name = name
        self.irreducible = irreducible
        self.a = a
        self.b = b
        self.alpha = alpha
        self.beta = beta
        self.irreducibleError = irreducibleError
        self.source = source
    }

    /// Fitted anew to Chinchilla's own runs.
    public static let chinchilla = LossLaw(
        name: "chinchilla", irreducible: 1.8172, a: 482.01, b: 2085.43, alpha: 0.3478, beta: 0.3658, irreducibleError: 0.03,
        source: "Besiroglu et al. 2024, arXiv:2404.10102")
    public static let hoffmann = LossLaw(
        name: "hoffmann", irreducible: 1.69, a: 406.4, b: 410.7, alpha: 0.34, beta: 0.28,
        source: "Hoffmann et al. 2022, arXiv:2203.15556, approach 3")

    public func loss(parameters: Double, tokens: Double) -> Double {
        irreducible + a / pow(parameters, alpha) + b / pow(tokens, beta)
    }

    /// What a model of that size reaches on endless data.
    public func floor(parameters: Double) -> Double { irreducible + a / pow(parameters, alpha) }

    /// Tokens to `loss`; nil where the model never reaches it.
    public func tokens(to loss: Double, parameters: Double) -> Double? {
        let left = loss - floor(parameters: parameters)
        guard left > 0 else { return nil }
        return pow(b / left, 1 / beta)
    }

    /// The same with E one standard error lower and higher; an end is nil where the model would never reach it.
    public func tokenRange(to loss: Double, parameters: Double) -> (low: Double?, high: Double?)? {
        guard let error = irreducibleError else { return nil }
        var (lower, higher) = (self, self)
        lower.irreducible -= error
        higher.irreducible += error
        return (lower.tokens(to: loss, parameters: parameters), higher.tokens(to: loss, parameters: parameters))
    }

    /// Fewest parameters that reach `loss` at all; nil where no size does.
    public func leastParameters(for loss: Double) -> Double? {
        guard loss > irreducible else { return nil }
        return pow(a / (loss - irreducible), 1 / alpha)
    }

    /// Parameters and tokens of least loss for `flops` = 6 N D: N = G (C/6)^(beta/(alpha+beta)), G = (alpha A / (beta B))^(1/(alpha+beta))
    /// (the same paper, equation 4).
    public func optimum(flops: Double) -> (parameters: Double, tokens: Double) {
        let ratio = pow(alpha * a / (beta * b), 1 / (alpha + beta))
        let parameters = ratio * pow(flops / 6, beta / (alpha + beta))
        return (parameters, flops / 6 / parameters)
    }
}
