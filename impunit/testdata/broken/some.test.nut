class Some extends ImpTestCase { function test() {} }
