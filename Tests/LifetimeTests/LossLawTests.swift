import Foundation
import Lifetime
import Testing

@Suite("Laws of loss")
struct LossLawTests {
    @Test("Tokens to a loss give that loss", arguments: [LossLaw.chinchilla, .hoffmann])
    func inverse(law: LossLaw) throws {
        let tokens = try #require(law.tokens(to: 2.2, parameters: 7e9))
        #expect(abs(law.loss(parameters: 7e9, tokens: tokens) - 2.2) < 1e-12)
        #expect(law.tokens(to: law.floor(parameters: 7e9), parameters: 7e9) == nil)
        let least = try #require(law.leastParameters(for: 2.2))
        #expect(abs(law.floor(parameters: least) - 2.2) < 1e-12)
    }

    @Test("The refit says about 20 tokens a parameter at Chinchilla's own budget, and the optimum is one")
    func optimum() {
        let law = LossLaw.chinchilla
        let best = law.optimum(flops: 5.76e23)
        #expect(best.tokens / best.parameters > 14 && best.tokens / best.parameters < 30)
        let least = law.loss(parameters: best.parameters, tokens: best.tokens)
        for factor in [0.8, 1.25] {
            #expect(law.loss(parameters: best.parameters * factor, tokens: best.tokens / factor) > least)
        }
    }

    @Test("The interval of the irreducible loss is the interval of the tokens")
    func range() throws {
        let range = try #require(LossLaw.chinchilla.tokenRange(to: 2.1, parameters: 70e9))
        let tokens = try #require(LossLaw.chinchilla.tokens(to: 2.1, parameters: 70e9))
        #expect(try #require(range.low) < tokens)
        #expect(range.high.map { $0 > tokens } ?? true)
        #expect(LossLaw.hoffmann.tokenRange(to: 2.1, parameters: 70e9) == nil)
    }
}
